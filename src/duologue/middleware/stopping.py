"""A layer that ends its session on purpose."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from duologue.errors import SessionClosed, SessionEnded, Stopped
from duologue.messages.base import ClientMessage
from duologue.runtime import SessionLayer


class StoppingLayer(SessionLayer):
    """A layer that can end its session in an orderly way, and says why.

    To the layers inside, our side has closed the session. Those outside, and the reader, get the `Stopped`.
    """

    _stopped: Stopped | None = None

    def stop(self, end: Stopped) -> None:
        """End the session with `end`, once what arrives at this moment has been handed on."""
        self.spawn(self._stop(end), name="end of the session")

    async def _stop(self, end: Stopped) -> None:
        if self._stopped is None:
            self._stopped = end
            await self.inner.aclose()

    def send(self, message: ClientMessage) -> Coroutine[Any, Any, str]:
        return self.inner.send(message) if self._stopped is None else _refuse(self._stopped)

    async def drain(self) -> None:
        await self.inner.drain()
        if self._stopped is not None:
            raise self._stopped.with_traceback(None)

    def ended(self, end: SessionEnded) -> None:
        super().ended(self._stopped if self._stopped is not None and isinstance(end, SessionClosed) else end)


async def _refuse(end: SessionEnded) -> str:
    raise end.with_traceback(None)
