"""Trying again, where it may help."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from duologue.errors import ConnectRefused
from duologue.providers.connection import ConnectionSettings
from duologue.providers.refusals import Refusal

Result = TypeVar("Result")

FIRST_PAUSE = 0.5
"""Seconds before the second attempt; each further pause is twice as long."""
LONGEST_PAUSE = 8.0
"""Seconds that a pause grows to."""
LONGEST_REQUESTED_PAUSE = 30.0
"""Seconds that a server may ask for with Retry-After; who asks for more is not tried again."""
_LEAST_JITTER = 0.75


async def with_retries(attempt: Callable[[], Awaitable[Result]], settings: ConnectionSettings) -> Result:
    """The result of `attempt`, which is made again while it is refused for reasons that may pass.

    Raises:
        ConnectRefused: As the last attempt raised it.
    """
    number = 1
    while True:
        try:
            return await attempt()
        except ConnectRefused as refused:
            pause = pause_after(number, refused, settings)
            if pause is None:
                raise
        await settings.sleep(pause)
        number += 1


def pause_after(number: int, refused: ConnectRefused, settings: ConnectionSettings) -> float | None:
    """Seconds to wait after attempt `number`, the first being 1; None: there is no use in another one."""
    if not refused.retryable or number >= settings.attempts:
        return None
    pause = min(FIRST_PAUSE * 2.0 ** (number - 1), LONGEST_PAUSE)
    pause *= _LEAST_JITTER + (1 - _LEAST_JITTER) * settings.random()
    requested = refused.retry_after if isinstance(refused, Refusal) else None
    if requested is None:
        return pause
    return max(pause, requested) if requested <= LONGEST_REQUESTED_PAUSE else None
