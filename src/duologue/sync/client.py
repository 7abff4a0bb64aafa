"""One client, one session, no `async`: what a short program needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self, final

from duologue import client as asynchronous
from duologue import messages as m
from duologue.errors import InvalidInput
from duologue.formats import AudioFormat
from duologue.link import FunctionInvoker, Link
from duologue.middleware.function_invocation import FunctionInvocation, FunctionInvocationLayer
from duologue.options import SessionOptions, Unsupported
from duologue.runtime import LayeredClient
from duologue.snapshots import Snapshot
from duologue.sync.process import forget_client, thread_of
from duologue.sync.session import Session, open_session
from duologue.sync.shared_work import SharedWork
from duologue.tools import FunctionTool
from duologue.verbs import Verbs

if TYPE_CHECKING:
    from duologue.providers.keys import ApiKey


@final
class RealtimeClient(Verbs[str]):
    """A conversation with a model: its session opens when it is first used.

    ::

        client = RealtimeClient(api_key="...", model="gpt-realtime")
        client.send_text("Hello")
        for event in client:
            print(event)

    Iterating over it is iterating over its session: it goes on until the session ends, or the loop is left, and can be
    taken up again. The functions among the tools of `options` are run; `FunctionInvocation` among the middleware says
    how. For several sessions, use `connect`.

    Args:
        api_key: A key, or a function that fetches one; None: what the provider's environment variable holds.
        model: None: the provider's default.
        provider: Its name, of `duologue.providers.registry.PROVIDERS`: ``"openai"``, ``"local"``, ...
        base_url: Where the server is, for providers that can be anywhere.
        options: What the session shall be like.
        unsupported: What to do with preferences that the wire cannot carry, as in `connect`.
        middleware: Layers, the outermost first.
        client: A client to use in place of one that is made by name. It is closed with this one.
        resume: A conversation that the first session goes on with, as in `connect`.

    Raises:
        InvalidInput: The arguments do not go together, or there is no such provider.
        MissingDependency: What the provider needs is not installed.
    """

    def __init__(
        self,
        api_key: ApiKey | None = None,
        model: str | None = None,
        *,
        provider: str = "openai",
        base_url: str | None = None,
        options: SessionOptions | None = None,
        unsupported: Unsupported | None = None,
        middleware: Iterable[Callable[[asynchronous.RealtimeClient], asynchronous.RealtimeClient]] = (),
        client: asynchronous.RealtimeClient | None = None,
        resume: Snapshot | None = None,
    ) -> None:
        if client is None:
            from duologue.providers.registry import make_client

            client = make_client(provider, model=model, api_key=api_key, base_url=base_url)
        elif not (api_key is None and model is None and base_url is None):
            raise InvalidInput("A client was given: it has its key, model and base_url already.")
        self._client = _FunctionRunningClient(client.with_middleware(*middleware))
        self._options = options
        self._unsupported: Unsupported | None = unsupported
        self._resume = resume
        self._session: Session | None = None
        self._opening = SharedWork(self._open)
        self._closing = SharedWork(self._close)
        self._closed = self._is_gone = False

    @property
    def session(self) -> Session:
        """The session, which opens when it is first asked for. One that has ended stays until `connect`.

        Raises:
            ConnectRefused: It did not begin.
            UnsupportedOperation: The options ask for what the provider cannot do.
            InvalidInput: The client is closed.
        """
        if self._session is None or self._closed:
            return self.connect()
        return self._session

    def connect(self) -> Session:
        """Open the session now; a new one if the last has ended. Nothing happens to one that is open.

        Raises:
            ConnectRefused: It did not begin.
            UnsupportedOperation: The options ask for what the provider cannot do.
            InvalidInput: The client is closed.
        """
        self._check_open()
        session = self._session
        if session is not None and session.ended is None:
            return session
        return thread_of(self._client).run(self._opened, undo=_leave_open)

    def _check_open(self) -> None:
        if self._closed:
            raise InvalidInput("This client is closed. Make a new one.")

    def send(self, message: m.ClientMessage) -> str:
        """Send one message and give back its id, as `Session.send`."""
        return self.session.send(message)

    def _submit(self, *messages: m.ClientMessage) -> str:
        return self.session._submit(*messages)

    def send_audio(self, audio: bytes, format: AudioFormat | None = None) -> str:
        """Stream the user's audio, as `Session.send_audio`: without waiting for each piece."""
        return self.session.send_audio(audio, format)

    def drain(self) -> None:
        """Wait until everything that was sent has left, as `Session.drain`."""
        self.session.drain()

    def receive(self, timeout: float | None = None) -> m.ServerMessage:
        """The next message, as `Session.receive`."""
        return self.session.receive(timeout)

    def __iter__(self) -> Session:
        return iter(self.session)

    def close(self) -> None:
        """End the session, and let go of what the client owns. Harmless when it is closed.

        A session that is opening, in another thread or under this signal handler, is given up: who waits for it gets
        `InvalidInput`.
        """
        self._closed = True  # first: nothing opens from here on
        if self._is_gone:
            return
        thread = thread_of(self._client)
        if not (thread.is_of_parent or thread.is_over):
            thread.run(self._closing.join)
            forget_client(self._client)
            self._is_gone = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # --- on the event loop, one thing at a time ---

    async def _opened(self) -> Session:
        try:
            return await self._opening.join()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                self._check_open()  # nobody was cancelled: the client was closed
            raise

    async def _open(self) -> Session:
        self._check_open()
        if self._session is None or self._session.ended is not None:
            session = await open_session(
                self._client, self._options, unsupported=self._unsupported, resume=self._resume
            )
            if self._closed:
                await session._session.aclose()
            self._check_open()
            self._session, self._resume = session, None
        return self._session

    async def _close(self) -> None:
        self._opening.cancel()
        await self._client.aclose()


async def _leave_open(session: Session) -> None:
    """It was there when its opener was interrupted: the next use gets it."""


class _FunctionRunningClient(LayeredClient):
    """Runs the functions of a session's tools where nothing else does."""

    def __init__(self, inner: asynchronous.RealtimeClient) -> None:
        super().__init__(inner, lambda link: FunctionInvocationLayer(link, FunctionInvocation()))

    async def open_session(self, options: SessionOptions) -> Link:
        link = await self.inner.open_session(options)
        functions = [tool for tool in link.options.tools or () if isinstance(tool, FunctionTool)]
        is_idle = any(tool.has_implementation for tool in functions) and link.get_service(FunctionInvoker) is None
        return self._layer(link) if is_idle else link
