"""Pictures of a stream, at a rate that the service takes."""

from __future__ import annotations

from duologue.transports.base import Frame

_INTERVAL_SECONDS = 1.0


class PictureStream:
    """Lets one picture through in a second; of those that come meanwhile, the newest follows. Pure."""

    def __init__(self) -> None:
        self._waiting: Frame | None = None
        self._free_at: float | None = None  # when the next may go; None: at once
        self._has_sent = False  # and when that was is not known yet

    def show(self, frame: Frame) -> list[Frame]:
        """A picture is there; gives what is to be sent now."""
        if self._has_sent or self._free_at is not None:
            self._waiting = frame
            return []
        self._has_sent = True
        return [frame]

    def deadline(self) -> float | None:
        """When `tick` wants to be called."""
        return 0.0 if self._has_sent else self._free_at

    def tick(self, now: float) -> list[Frame]:
        """The time is `now`; gives what is to be sent."""
        if self._has_sent:
            self._has_sent = False
            self._free_at = now + _INTERVAL_SECONDS
        if self._free_at is None or now < self._free_at:
            return []
        self._free_at = None
        if self._waiting is None:
            return []
        frame, self._waiting = self._waiting, None
        self._free_at = now + _INTERVAL_SECONDS
        return [frame]
