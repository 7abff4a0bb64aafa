"""What is noted of a client's session, for one record in the log."""

from __future__ import annotations

import logging
import time
from typing import Any

from duologue import messages as m
from duologue.content import Usage
from duologue.gateway.ends import End
from duologue.messages.base import ClientMessage, ServerMessage

_log = logging.getLogger("duologue.gateway.session")


class SessionRecord:
    """What happened in one session. Neither words nor audio, nor keys.

    Attributes:
        who: The name of the key, or of whoever was let in.
        model: The model that the client asked for.
        provider: Who answered; None: nobody yet.
        audio_in: Seconds of audio from the client.
        audio_out: Seconds of audio to it.
    """

    def __init__(self, session_id: str, who: str, model: str | None) -> None:
        self.session_id = session_id
        self.who = who
        self.model = model
        self.provider: str | None = None
        self.dropped: tuple[str, ...] = ()
        self.events_in = self.events_out = self.errors = self.responses = self.interruptions = 0
        self.audio_in = self.audio_out = 0.0
        self.usage: Usage | None = None
        self.open_ms: float | None = None
        self.first_output_ms: list[float] = []
        self._began = time.monotonic()
        self._asked_at: float | None = None

    def sent(self, message: ClientMessage) -> None:
        """The client sent something."""
        if isinstance(message, m.ResponseCreate):
            self._asked_at = time.monotonic()

    def received(self, message: ServerMessage) -> None:
        """The upstream said something that is no delta."""
        match message:
            case m.InputSpeechStopped() | m.InputAudioCommitted():
                self._asked_at = time.monotonic()
            case m.ResponseCreated():
                self.responses += 1
            case m.ResponseDone(usage=Usage() as usage):
                self.usage = usage if self.usage is None else self.usage + usage
            case m.Interrupted():
                self.interruptions += 1
            case m.ErrorReported():
                self.errors += 1
            case _:
                pass

    def output(self) -> None:
        """Something of an answer came: the first counts."""
        if self._asked_at is not None:
            self.first_output_ms.append((time.monotonic() - self._asked_at) * 1000)
            self._asked_at = None

    def write(self, end: End, close_code: int | None, cause: BaseException | None) -> None:
        """Write the record. Its values are in ``extra``, as ``duologue_seconds`` and so on."""
        fields = self.fields(end, close_code, cause)
        shown = " ".join(f"{name}={value}" for name, value in fields.items() if value not in (None, 0, 0.0, ()))
        extra = {f"duologue_{name}": value for name, value in fields.items()}
        _log.log(logging.ERROR if end.reason == "failed" else logging.INFO, "session %s", shown, extra=extra)

    def fields(self, end: End, close_code: int | None, cause: BaseException | None) -> dict[str, Any]:
        """The record's values, by name."""
        latencies = sorted(self.first_output_ms)
        usage = self.usage or Usage()
        return {
            "session": self.session_id,
            "who": self.who,
            "model": self.model,
            "provider": self.provider,
            "end": end.reason,
            "close_code": close_code,
            "cause": None if cause is None else type(cause).__name__,
            "seconds": round(time.monotonic() - self._began, 3),
            "open_ms": _rounded(self.open_ms),
            "first_output_ms": _rounded(latencies[len(latencies) // 2]) if latencies else None,
            "first_output_max_ms": _rounded(latencies[-1]) if latencies else None,
            "responses": self.responses,
            "interruptions": self.interruptions,
            "errors": self.errors,
            "events_in": self.events_in,
            "events_out": self.events_out,
            "audio_in_seconds": round(self.audio_in, 3),
            "audio_out_seconds": round(self.audio_out, 3),
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_tokens": usage.cached_tokens,
            "dropped": self.dropped,
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
