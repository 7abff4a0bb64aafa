"""Layers: what stands between a provider's link and the session that the application holds."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from duologue.capabilities import Capabilities
from duologue.client import DuologueWarning, RealtimeClient
from duologue.errors import SessionEnded
from duologue.link import Link, Receiver, Service
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import SessionOptions
from duologue.runtime.route import Route, Watcher, tell_ended
from duologue.runtime.wrapping import WrappingClient


class SessionLayer(Watcher, Link):
    """Wraps a session. Override `send` (towards the provider), `received` (towards the reader), or both.

    `watches` names the kinds of messages that `received` is called with (None: all). It is a plain function: it passes
    messages on with `deliver`, may hold them back, change them, or add its own, now or later. What takes time goes into
    a task of `spawn`. An exception here ends the session and is raised to the reader.

    Attributes:
        sends: Whether it sends messages of its own: it then belongs outside of the layers that observe.
        observes: Whether it is to see all that is sent. Layers that send and stand inside of it are warned of.
    """

    sends: ClassVar[bool] = False
    observes: ClassVar[bool] = False

    def __init__(self, inner: Link) -> None:
        self.inner = inner
        self.metadata = inner.metadata
        self._route = Route()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._over = False

    # --- to override ---

    def send(self, message: ClientMessage) -> Coroutine[Any, Any, str]:
        """A message on its way to the provider. Override it with ``async def``; pass on with `self.inner.send`."""
        return self.inner.send(message)  # without a coroutine of its own, which every layer would pay for

    def received(self, message: ServerMessage) -> None:
        """A message on its way to the reader. Pass it on with ``self.deliver(message)``."""
        self.deliver(message)

    def ended(self, end: SessionEnded) -> None:
        """The session is over: the layer's tasks are cancelled. Call it when overriding."""
        self._over = True
        self._route = Route(_NOWHERE)
        for task in self._tasks:
            task.cancel()
        if self.above is not None:
            tell_ended(self.above, end)

    # --- to use ---

    def deliver(self, message: ServerMessage) -> None:
        """Hand a message towards the reader; ignored after the end. What layers further out raise ends the session."""
        push = self._route.to(type(message))
        try:
            push(message)
        except Exception as error:  # noqa: BLE001 - raised to the reader
            self.fail(error)

    def spawn(self, work: Coroutine[Any, Any, object], *, name: str | None = None) -> asyncio.Task[Any]:
        """Run `work` beside the session. It is cancelled and awaited at the end; what it raises ends the session."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        if self._over:
            task.cancel()
        return task

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    # --- a link around a link ---

    @property
    def options(self) -> SessionOptions:
        return self.inner.options

    @property
    def capabilities(self) -> Capabilities:
        return self.inner.capabilities

    @property
    def dropped(self) -> tuple[str, ...]:
        return self.inner.dropped

    def connect(self, receiver: Receiver) -> None:
        _check_order(self)
        self.above = receiver
        self._route = Route(receiver)
        self.inner.connect(self)

    async def drain(self) -> None:
        await self.inner.drain()

    def pause_reading(self) -> None:
        self.inner.pause_reading()

    def resume_reading(self) -> None:
        self.inner.resume_reading()

    def fail(self, error: BaseException) -> None:
        self.inner.fail(error)

    async def aclose(self) -> None:
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await self.inner.aclose()
        await asyncio.gather(*tasks, return_exceptions=True)

    def get_service(self, kind: type[Service]) -> Service | None:
        return self if isinstance(self, kind) else self.inner.get_service(kind)


class _Nowhere:
    """The receiver above a layer whose session is over."""

    def received(self, message: ServerMessage) -> None:
        """Nothing comes after the end."""

    def ended(self, end: SessionEnded) -> None:
        """It was told already."""


_NOWHERE = _Nowhere()


class LayeredClient(WrappingClient):
    """A client whose sessions are wrapped in a layer. Middleware that changes options overrides `open_session`.

    Args:
        inner: The client that opens the sessions.
        layer: Makes the layer around each of them.
        settings: What `get_service` finds by its type, beside the client itself: the middleware that made it.

    Raises:
        InvalidInput: `inner` is no client.
    """

    def __init__(
        self, inner: RealtimeClient, layer: Callable[[Link], SessionLayer], settings: object | None = None
    ) -> None:
        super().__init__(inner, settings)
        self._layer = layer

    async def open_session(self, options: SessionOptions) -> Link:
        link = await self.inner.open_session(options)
        try:
            return self._layer(link)
        except BaseException:
            await link.aclose()
            raise


def _check_order(layer: SessionLayer) -> None:
    """Warn of layers whose messages `layer` is to see, and does not."""
    inner: Link = layer.inner
    while layer.observes and isinstance(inner, SessionLayer):
        if inner.sends:
            warnings.warn(
                f"{type(layer).__name__} does not see what {type(inner).__name__} sends, which stands inside of it. "
                "Name what sends before what observes: with_middleware(FunctionInvocation(), Telemetry(), Logging()).",
                DuologueWarning,
                stacklevel=2,
            )
        inner = inner.inner


def wrap_sessions(layer: Callable[[Link], SessionLayer]) -> Callable[[RealtimeClient], RealtimeClient]:
    """Middleware that puts a `layer` around every session: ``client.with_middleware(wrap_sessions(MyLayer))``."""

    def middleware(client: RealtimeClient) -> RealtimeClient:
        return LayeredClient(client, layer)

    return middleware
