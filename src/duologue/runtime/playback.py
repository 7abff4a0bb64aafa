"""What of the output was heard, and what an interruption leaves of it.

The application reports what its speaker rendered (`OutputAudioPlayed`). As long as it never does, playback is taken to
begin when audio arrives and to go at the pace of real time.
"""

from __future__ import annotations

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import OFF, SessionOptions

PartKey = tuple[str, int]

_ROUNDING_MS = 5.0  # a report may fall short of what was received by so much: rates and milliseconds are rounded


class _Part:
    """The audio of one content part of one item."""

    __slots__ = (
        "bytes_per_ms",
        "content_index",
        "ends_at",
        "finished",
        "format",
        "in_conversation",
        "item_id",
        "played_ms",
        "received_ms",
        "response_id",
    )

    def __init__(self, delta: m.OutputAudioDelta, in_conversation: bool) -> None:
        self.response_id = delta.response_id
        self.item_id = delta.item_id
        self.content_index = delta.content_index
        self.in_conversation = in_conversation
        self.format = delta.format
        self.bytes_per_ms = delta.format.bytes_per_second / 1000
        self.received_ms = 0.0
        self.played_ms: float | None = None
        self.finished = False
        self.ends_at = 0.0


class PlaybackTracker:
    """Follows playback, and turns the user's speech into one `Interrupted`. Pure: the time is an argument, in s."""

    def __init__(self, options: SessionOptions, capabilities: Capabilities) -> None:
        self.options = options
        self.truncates = not capabilities.tracks_playback  # whether what was not heard is truncated from here
        self._can = capabilities
        self._parts: dict[PartKey, _Part] = {}
        self._latest: _Part | None = None  # of them, the one that audio came for
        self._active: str | None = None
        self._out_of_band: set[str] = set()  # responses beside the conversation that run
        self._interrupted: set[str] = set()  # responses that run, and are not to be played any more
        self._reported = False
        self._free_at = 0.0  # when the speaker has played everything, unless reports tell

    def heard(self, response_id: str, now: float) -> float:
        """How much of a response was heard, in ms, as far as it is still followed."""
        parts = [part for part in self._parts.values() if part.response_id == response_id]
        return sum(self._heard_ms(part, now) for part in parts)

    def unheard(self, now: float) -> dict[str, float]:
        """The items that were not heard to their end yet, each with what was heard of it, in ms."""
        found: dict[str, float] = {}
        for part, heard_ms in self._unheard(now):
            found[part.item_id] = found.get(part.item_id, 0.0) + heard_ms
        return found

    def remaining(self, now: float) -> float:
        """How much of the received audio is still to be heard, in s."""
        return sum(part.received_ms - heard_ms for part, heard_ms in self._unheard(now)) / 1000

    # --- what passes by ---

    def audio(self, delta: m.OutputAudioDelta, now: float) -> bool:
        """More audio has arrived: whether it is still to be played. What comes after an interruption is not."""
        if self._interrupted and delta.response_id in self._interrupted:
            return False
        part = self._latest
        if part is None or part.item_id != delta.item_id or part.content_index != delta.content_index:
            part = self._latest = self._part_of(delta)
        if delta.format is not part.format:
            part.format, part.bytes_per_ms = delta.format, delta.format.bytes_per_second / 1000
        duration_ms = len(delta.audio) / part.bytes_per_ms
        part.received_ms += duration_ms
        part.finished = False
        free_at = self._free_at
        part.ends_at = self._free_at = (now if now > free_at else free_at) + duration_ms / 1000
        return True

    def _part_of(self, delta: m.OutputAudioDelta) -> _Part:
        key = (delta.item_id, delta.content_index)
        part = self._parts.get(key)
        if part is None:
            part = self._parts[key] = _Part(delta, delta.response_id not in self._out_of_band)
        return part

    def _forget(self, key: PartKey) -> None:
        if self._parts.pop(key) is self._latest:
            self._latest = None

    def played(self, report: m.OutputAudioPlayed) -> None:
        """The speaker tells what it rendered."""
        self._reported = True
        reported = (report.item_id, report.content_index)
        if reported not in self._parts:
            return
        for key, part in list(self._parts.items()):
            if key == reported:
                part.played_ms = min(report.played_ms, part.received_ms)
                # A speaker that ran dry does not know what is still on its way to it.
                part.finished = report.finished and part.played_ms >= part.received_ms - _ROUNDING_MS
            else:  # parts play one after another
                part.played_ms, part.finished = part.received_ms, True
            if part.finished and not self._is_running(part.response_id):
                self._forget(key)
            if key == reported:
                return

    def received(self, message: ServerMessage, now: float) -> tuple[list[ServerMessage], list[ClientMessage]]:
        """Note what the provider says: what the reader gets in its place, and what to send."""
        match message:
            case m.ResponseCreated(out_of_band=False):
                self._interrupted.discard(self._active or "")
                self._active = message.response_id
                self._forget_played(now)
            case m.ResponseCreated():
                self._out_of_band.add(message.response_id)
            case m.ResponseDone():
                self._out_of_band.discard(message.response_id)
                self._interrupted.discard(message.response_id)
                if message.response_id == self._active:
                    self._active = None
                self._forget_played(now)
            case m.InputSpeechStarted():
                if self._speech_interrupts():
                    interrupted, to_send = self.interrupt(now)
                    return [message, *interrupted], to_send
            case m.Interrupted():  # the provider's own, which does not know what was heard
                interrupted, to_send = self.interrupt(now)
                return list(interrupted), to_send
            case _:
                pass
        return [message], []

    # --- the interruption ---

    def interrupt(self, now: float) -> tuple[list[m.Interrupted], list[ClientMessage]]:
        """Stop what is active or unheard: at most one `Interrupted`, and the truncations that go with it."""
        unheard = self._unheard(now)
        if not unheard and (self._active is None or self._active in self._interrupted):
            return [], []
        self._interrupted |= {part.response_id for part in self._parts.values() if self._is_running(part.response_id)}
        if self._active is not None:
            self._interrupted.add(self._active)
        self._parts.clear()
        self._latest = None
        self._free_at = now
        if not unheard:
            return [m.Interrupted(response_id=self._active)], []
        current, heard_ms = unheard[0]
        stopped = {part.response_id for part, _ in unheard} | {self._active or current.response_id}
        interrupted = m.Interrupted(
            response_id=current.response_id if len(stopped) == 1 else None,
            item_id=current.item_id,
            content_index=current.content_index,
            heard_ms=int(heard_ms),
        )
        return [interrupted], self._truncations(unheard)

    def _truncations(self, unheard: list[tuple[_Part, float]]) -> list[ClientMessage]:
        if not self.truncates:
            return []
        to_send: list[ClientMessage] = []
        for part, heard_ms in unheard:
            if not part.in_conversation:
                continue
            if heard_ms >= 1 and self._can.truncate:
                to_send.append(
                    m.ItemTruncate(item_id=part.item_id, content_index=part.content_index, audio_end_ms=int(heard_ms))
                )
            elif heard_ms < 1 and part.content_index == 0 and self._can.delete:
                to_send.append(m.ItemDelete(item_id=part.item_id))
        return to_send

    def _unheard(self, now: float) -> list[tuple[_Part, float]]:
        """The parts that were not heard to their end, in order, each with what was heard, in ms."""
        found: list[tuple[_Part, float]] = []
        for part in self._parts.values():
            # Parts play one after another. What the speaker did not tell of goes by the clock.
            heard_ms = 0.0 if found and part.played_ms is None else self._heard_ms(part, now)
            if not part.finished and heard_ms < part.received_ms - 0.5:
                found.append((part, heard_ms))
        return found

    def _heard_ms(self, part: _Part, now: float) -> float:
        if part.played_ms is not None:
            return part.played_ms
        return min(part.received_ms, max(0.0, part.received_ms - (part.ends_at - now) * 1000))

    def _forget_played(self, now: float) -> None:
        played: list[PartKey] = []
        for key, part in self._parts.items():
            awaits_report = self._reported and part.played_ms is None
            if not part.finished and (awaits_report or self._heard_ms(part, now) < part.received_ms - 0.5):
                break  # parts play one after another
            if not self._is_running(part.response_id):
                played.append(key)
        for key in played:
            self._forget(key)

    def _is_running(self, response_id: str) -> bool:
        """Whether more of that response may come."""
        return response_id == self._active or response_id in self._out_of_band

    def _speech_interrupts(self) -> bool:
        detection = self.options.turn_detection
        if detection is None or detection is OFF:
            return True
        return getattr(detection, "interrupt_response", None) is not False
