"""One response of the embedded provider, from its request to its end."""

from __future__ import annotations

from collections import deque

import msgspec

from duologue import messages as m
from duologue.formats import AudioFormat
from duologue.lifecycle import ResponseBuilder
from duologue.local.speaking import Speech
from duologue.local.store import Recording
from duologue.messages.base import ServerMessage
from duologue.speech.responder import CallRequested, Finished, ResponderEvent, TextChunk


class ResponseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a response is given: the session's options with the request's over them.

    Attributes:
        output_audio: The format of the audio; None: text only.
        voice: The voice.
        speed: 1.0 is the normal pace.
        rate: The rate of the synthesis, in Hz.
        lead_ms: How far ahead of playback audio goes out, in ms.
    """

    output_audio: AudioFormat | None
    voice: str | None
    speed: float | None
    rate: int
    lead_ms: float


class LocalResponse:
    """Brings what the responder writes, and what synthesis makes of it, into the documented order. Pure.

    What comes first goes out first: a function call waits for the speech before it, the end for both.

    Args:
        builder: Makes the messages.
        settings: How the response is given.
        request: What asked for it.

    Attributes:
        speech: The spoken message that is on its way.
        recordings: What is said in its spoken items, by item id.
    """

    def __init__(self, builder: ResponseBuilder, settings: ResponseSettings, request: m.ResponseCreate) -> None:
        self.builder = builder
        self.settings = settings
        self.request = request
        self.speech: Speech | None = None
        self.recordings: dict[str, Recording] = {}
        self._written: deque[ResponderEvent] = deque()
        self._is_written = False

    @property
    def response_id(self) -> str:
        """The response's id."""
        return self.builder.response_id

    @property
    def has_room(self) -> bool:
        """Whether more audio may be synthesised."""
        return self.speech is None or self.speech.has_room

    def write(self, event: ResponderEvent) -> None:
        """The responder goes on. Nothing comes after `Finished`."""
        if not self._is_written:
            self._is_written = isinstance(event, Finished)
            self._written.append(event)

    def finish(self) -> None:
        """The responder has nothing more to say."""
        self.write(Finished())

    def take(self, now: float, free_at: float = 0.0) -> list[ServerMessage]:
        """What is to go out by `now` (s), if all that went out before has been played by `free_at` (s)."""
        out: list[ServerMessage] = []
        while self._written:
            event = self._written[0]
            if isinstance(event, TextChunk):
                out += self._say(event.text)
            elif not self._spoken_until_here(now, free_at, out):
                return out
            elif isinstance(event, CallRequested):
                out += self.builder.function_call(event.name, event.arguments, event.call_id)
            else:
                out += self._end(event)
            self._written.popleft()
        self._speak(now, free_at, out)
        return out

    def deadline(self) -> float | None:
        """When `take` has more to give, in s."""
        return None if self.speech is None else self.speech.deadline()

    def _say(self, text: str) -> list[ServerMessage]:
        if self.settings.output_audio is None:
            return self.builder.text(text)
        if self.speech is None:
            self.speech = Speech(self.settings.output_audio, self.settings.rate, self.settings.lead_ms)
        self.speech.add_text(text)
        return []

    def _spoken_until_here(self, now: float, free_at: float, out: list[ServerMessage]) -> bool:
        """Whether all speech before the next event is out."""
        if self.speech is None:
            return True
        self.speech.finish_text()
        self._speak(now, free_at, out)
        if self.speech.is_over:
            self.speech = None
            return True
        return False

    def _speak(self, now: float, free_at: float, out: list[ServerMessage]) -> None:
        if self.speech is None:
            return
        for piece in self.speech.take(now, free_at):
            out += self.builder.text(piece) if isinstance(piece, str) else self.builder.audio(piece)
            assert self.builder.open_item_id is not None
            self.recordings[self.builder.open_item_id] = self.speech.recording

    def _end(self, finished: Finished) -> list[ServerMessage]:
        if finished.reason == "stop":
            return self.builder.end("completed", usage=finished.usage)
        return self.builder.end("incomplete", reason=finished.reason, usage=finished.usage)
