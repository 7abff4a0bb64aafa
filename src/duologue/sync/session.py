"""The session that a program without an event loop holds."""

from __future__ import annotations

from types import TracebackType
from typing import final

from msgspec.structs import replace

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.client import RealtimeClient
from duologue.errors import InvalidInput, SessionClosed, SessionEnded
from duologue.formats import AudioFormat
from duologue.link import ProviderMetadata, Service
from duologue.messages.field_types import check_fields
from duologue.options import SessionOptions, Unsupported
from duologue.runtime import LayeredClient
from duologue.session import RealtimeSession, audio_ids
from duologue.snapshots import Snapshot
from duologue.sync.inbox import HandoverLayer
from duologue.sync.loop_thread import LoopThread
from duologue.sync.process import forget_client, thread_of
from duologue.verbs import Verbs


def connect(
    client: RealtimeClient,
    options: SessionOptions | None = None,
    *,
    unsupported: Unsupported | None = None,
    resume: Snapshot | None = None,
) -> Session:
    """Open a session of any client, and return once the provider has confirmed the options.

    From then on the client belongs to the event loop of `duologue.sync`: use it with `connect` only, and end it with
    `close`.

    Args:
        client: From `duologue.providers`, say, with any middleware.
        options: What this session shall be like, over the client's defaults.
        unsupported: What to do with preferences that the wire cannot carry, as in `RealtimeClient.create_session`.
        resume: A conversation to go on with (`Session.snapshot`), as there.

    Raises:
        ConnectRefused: The session did not begin.
        UnsupportedOperation: The options ask for what the provider cannot do.
        InvalidInput: This is called on the event loop of `duologue.sync`, the client belongs to a parent process, or
            the conversation needs what neither the snapshot holds nor `options` state.
    """
    if not isinstance(client, RealtimeClient):
        raise InvalidInput(f"connect takes a client of duologue, not {type(client).__name__}.")
    thread = thread_of(client)
    return thread.run(
        lambda: open_session(client, options, unsupported=unsupported, resume=resume),
        undo=lambda late: late._session.aclose(),
    )


async def open_session(
    client: RealtimeClient,
    options: SessionOptions | None,
    *,
    unsupported: Unsupported | None,
    resume: Snapshot | None,
) -> Session:
    """What `connect` does on the event loop."""
    thread = thread_of(client)
    layered = LayeredClient(client, lambda link: HandoverLayer(link, thread))
    session = await layered.create_session(options, unsupported=unsupported, resume=resume)
    handover = session.get_service(HandoverLayer)
    assert handover is not None
    return Session(session, handover, thread)


def close(client: RealtimeClient) -> None:
    """Close a client that was used with `connect`: its sessions, and whatever it owns. Harmless when it is closed.

    A session that is opening meanwhile, in another thread, is given up. In a child process it does nothing to a client
    of the parent.
    """
    thread = thread_of(client)
    if not (thread.is_of_parent or thread.is_over):
        thread.run(client.aclose)
        forget_client(client)


@final
class Session(Verbs[str]):
    """One conversation with a model: send messages and iterate over messages, in threads.

    Made by `connect`. Any number of threads may send; one at a time may read. Every call but `send_audio` waits for
    its result, and Ctrl-C gets through. Iteration ends quietly only when our side closed the session; anything else
    raises the `SessionEnded` that `ended` holds. After a fork it belongs to the parent: in the child it raises
    `InvalidInput`.
    """

    def __init__(self, session: RealtimeSession, handover: HandoverLayer, thread: LoopThread) -> None:
        self._session = session
        self._handover = handover
        self._inbox = handover.inbox
        self._thread = thread

    # --- what it is ---

    @property
    def options(self) -> SessionOptions:
        """What was asked for, overlaid with what the provider confirmed. Tools are the application's own objects."""
        return self._session.options

    @property
    def capabilities(self) -> Capabilities:
        """What this session can do."""
        return self._session.capabilities

    @property
    def metadata(self) -> ProviderMetadata:
        """Who is at the other end."""
        return self._session.metadata

    @property
    def dropped(self) -> tuple[str, ...]:
        """Preferences that the wire cannot carry and that were left out (``unsupported="drop"``)."""
        return self._session.dropped

    @property
    def ended(self) -> SessionEnded | None:
        """Why the session is over; None while it is open."""
        return self._inbox.end

    def get_service(self, kind: type[Service]) -> Service | None:
        """The layer, or the part of the provider, that is a `kind`. It lives on the event loop of `duologue.sync`."""
        return self if isinstance(self, kind) else self._handover.inner.get_service(kind)

    def snapshot(self, *, extra: bool = True) -> Snapshot:
        """The conversation as it stands, for ``connect(client, resume=snapshot)``, here or in another process.

        Args:
            extra: Whether `SessionOptions.extra` is in it, as it was given.

        Raises:
            InvalidInput: Nothing follows the conversation: `Reconnection` does. Or this is the wrong thread or process.
        """

        async def take() -> Snapshot:
            return self._session.snapshot(extra=extra)

        return self._thread.run(take)

    # --- sending ---

    def send(self, message: m.ClientMessage) -> str:
        """Send one message and give back its id.

        All or nothing: it is either refused with an exception or accepted whole. It then waits until the provider takes
        it. Ctrl-C ends the wait, and does not take the message back.

        Raises:
            UnsupportedOperation: The provider cannot do that. Nothing was sent.
            InvalidInput: The message does not make sense, or this is the wrong thread or process. Nothing was sent.
            SessionEnded: The session is over.
        """
        return self._thread.run(lambda: self._session.send(message))

    def _submit(self, *messages: m.ClientMessage) -> str:
        return self._thread.run(lambda: self._session._submit(*messages))

    def send_audio(self, audio: bytes, format: AudioFormat | None = None) -> str:
        """Stream the user's audio: whole samples in `format`, which is the session's input format when left out.

        The only call that does not wait until the provider takes it, unless more than 64 KiB are on their way. It goes
        out in order, and before whatever is sent next. What goes wrong with it is raised by the next call that sends,
        or by `drain`.

        Raises:
            InvalidInput: It is no audio, or this is the wrong thread or process. Nothing was sent.
            SessionEnded: The session is over.
        """
        message_id = f"audio_{next(audio_ids)}"
        message = m.InputAudioAppend(id=message_id, audio=audio, format=format)
        check_fields(message)
        if type(audio) is not bytes:
            message = replace(message, audio=bytes(audio))  # the caller may use that memory again before it is sent
        if self.ended is not None:
            raise self.ended.with_traceback(None)
        self._handover.audio.put(message)
        return message_id

    def drain(self) -> None:
        """Wait until everything that was sent has left, response requests that wait for their turn included.

        Raises:
            SessionEnded: The session ended before that, and not because our side asked.
        """
        self._thread.run(self._session.drain)

    # --- reading ---

    def receive(self, timeout: float | None = None) -> m.ServerMessage:
        """The next message.

        Args:
            timeout: Seconds to wait for it; 0 takes what is there; None waits however long it takes.

        Raises:
            TimeoutError: None came in that time. Nothing is lost.
            ConcurrentRead: Another thread is reading.
            SessionEnded: The session is over, by our side (`SessionClosed`) or not, and everything was read. What a
                layer raised comes as it is.
        """
        return self._inbox.take(timeout)

    def __iter__(self) -> Session:
        return self

    def __next__(self) -> m.ServerMessage:
        """The next message, as in `receive`; after the end of a session that our side closed, the iteration ends."""
        try:
            return self._inbox.take()
        except SessionClosed as end:
            if end is not self.ended:  # another session's, raised by a layer
                raise
            raise StopIteration from None

    # --- the end ---

    def close(self) -> None:
        """End the session, from any thread. What has arrived can still be read; then iteration ends quietly.

        Harmless when it is over, and in a child process, which leaves the parent's session alone.
        """
        if not (self._thread.is_of_parent or self._thread.is_over):
            self._thread.run(self._session.aclose)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
