"""The session that an application holds."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from types import TracebackType
from typing import Any, final

from msgspec.structs import replace

from duologue import messages as m
from duologue.capabilities import Capabilities, check_message
from duologue.errors import InvalidInput, SessionClosed, SessionEnded
from duologue.formats import AudioFormat
from duologue.inbox import Inbox
from duologue.link import Link, ProviderMetadata, Service, SnapshotSource, required
from duologue.messages.field_types import check_fields
from duologue.options import SessionOptions
from duologue.snapshots.snapshot import Snapshot
from duologue.verbs import Verbs

audio_ids = itertools.count(1)


@final
class RealtimeSession(Verbs[Coroutine[Any, Any, str]]):
    """One conversation with a model: send messages and iterate over messages, both at once.

    Made by `RealtimeClient.create_session`. It belongs to the event loop that opened it. Any number of tasks may send;
    one at a time may read. Iteration ends quietly only when our side closed the session; anything else raises the
    `SessionEnded` that `ended` holds.
    """

    def __init__(self, link: Link, on_end: Callable[[RealtimeSession], object]) -> None:
        self._link = link
        self._inbox = Inbox(link.pause_reading, link.resume_reading, lambda: on_end(self))
        link.connect(self._inbox)

    # --- what it is ---

    @property
    def options(self) -> SessionOptions:
        """What was asked for, overlaid with what the provider confirmed. Tools are the application's own objects."""
        return self._link.options

    @property
    def capabilities(self) -> Capabilities:
        """What this session can do."""
        return self._link.capabilities

    @property
    def metadata(self) -> ProviderMetadata:
        """Who is at the other end."""
        return self._link.metadata

    @property
    def dropped(self) -> tuple[str, ...]:
        """Preferences that the wire cannot carry and that were left out (``unsupported="drop"``)."""
        return self._link.dropped

    @property
    def ended(self) -> SessionEnded | None:
        """Why the session is over; None while it is open."""
        return self._inbox.end

    def get_service(self, kind: type[Service]) -> Service | None:
        """The layer, or the part of the provider, that is a `kind`."""
        return self if isinstance(self, kind) else self._link.get_service(kind)

    def require_service(self, kind: type[Service]) -> Service:
        """The layer, or the part of the provider, that is a `kind`.

        Raises:
            InvalidInput: There is none.
        """
        return required(self.get_service(kind), kind)

    def snapshot(self, *, extra: bool = True) -> Snapshot:
        """The conversation as it stands, for ``client.create_session(resume=snapshot)``, here or in another process.

        Args:
            extra: Whether `SessionOptions.extra` is in it, as it was given. What your own class of options adds is
                there too. Leave it out where it holds what nobody should read.

        Raises:
            InvalidInput: Nothing follows the conversation: `Reconnection` does.
        """
        source = self.get_service(SnapshotSource)  # type: ignore[type-abstract]
        if source is None:
            raise InvalidInput(
                "Nothing in this session follows the conversation. Use client.with_middleware(Reconnection())."
            )
        return source.snapshot(extra=extra)

    # --- sending ---

    async def send(self, message: m.ClientMessage) -> str:
        """Send one message and give back its id.

        All or nothing: it is either refused with an exception or accepted whole. It then waits until the provider takes
        it; cancelling that wait does not take it back.

        Raises:
            UnsupportedOperation: The provider cannot do that. Nothing was sent.
            InvalidInput: The message does not make sense. Nothing was sent.
            SessionEnded: The session is over.
        """
        check_fields(message)
        return await self._link.send(message)

    def _submit(self, *messages: m.ClientMessage) -> Coroutine[Any, Any, str]:
        return self.send(messages[0]) if len(messages) == 1 else self._submit_all(messages)

    async def _submit_all(self, messages: tuple[m.ClientMessage, ...]) -> str:
        for message in messages:
            check_fields(message)
        for message in messages[1:]:
            check_message(message, self.capabilities, self.metadata.provider)
        first = await self._link.send(messages[0])
        for message in messages[1:]:
            await self._link.send(message)
        return first

    def send_audio(self, audio: bytes, format: AudioFormat | None = None) -> Coroutine[Any, Any, str]:
        """Stream the user's audio: whole samples in `format`, which is the session's input format when left out."""
        # The verb of every session, in one step: this is done fifty times a second.
        message = m.InputAudioAppend(id=f"audio_{next(audio_ids)}", audio=audio, format=format)
        if type(audio) is bytes and (format is None or type(format) is AudioFormat):
            return self._link.send(message)
        if isinstance(audio, bytearray | memoryview):
            message = replace(message, audio=bytes(audio))  # a layer may keep it, and the caller use that memory again
        return self.send(message)  # which says what is wrong with it

    async def drain(self) -> None:
        """Wait until everything that was sent has left, response requests that wait for their turn included.

        Raises:
            SessionEnded: The session ended before that, and not because our side asked.
        """
        await self._link.drain()

    # --- reading ---

    def __aiter__(self) -> AsyncIterator[m.ServerMessage]:
        return self._inbox

    def __anext__(self) -> Coroutine[Any, Any, m.ServerMessage]:
        """The next message. A cancelled call loses nothing, and reading can go on after it."""
        return self._inbox.__anext__()

    async def listen(self, handle: Callable[[m.ServerMessage], object]) -> None:
        """Call `handle` with every message the moment it arrives, until the session ends: the least that reading costs.

        It takes the place of iteration, and comes back when iteration would end. `handle` is a plain function, and has
        to be quick: the session goes on when it returns. What it raises is raised here; the messages after that one can
        still be read, and so they can when this call was cancelled.

        Raises:
            ConcurrentRead: Another task is reading.
            SessionEnded: The session ended, and not because our side asked.
        """
        try:
            await self._inbox.listen(handle)
        except SessionClosed as end:
            if end is not self.ended:
                raise

    # --- the end ---

    async def aclose(self) -> None:
        """End the session. What has arrived can still be read; then iteration ends quietly."""
        await self._link.aclose()

    async def __aenter__(self) -> RealtimeSession:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
