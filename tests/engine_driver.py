"""Drives the embedded provider's engine without a clock, a task or a stage: everything is said by the test."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable
from typing import TypeVar

from duologue import messages as m
from duologue.formats import PCM16_16K, AudioFormat
from duologue.local import commands as c
from duologue.local.checks import LocalChecks
from duologue.local.engine import EngineSettings, LocalEngine
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import OFF, ServerTurnDetection, SessionOptions
from duologue.speech.responder import CallRequested, ResponderEvent, TextChunk
from duologue.speech.stages import SpeechChunk, SpokenWord, Transcript, VoiceActivityDetectorFactory
from duologue.testing.lifecycle import LifecycleChecker
from duologue.testing.stages import LoudnessDetector

Kind = TypeVar("Kind")

RATE = 16_000


def silence(ms: float) -> bytes:
    """s16le at 16 kHz."""
    return bytes(round(RATE * ms / 1000) * 2)


def speech(ms: float) -> bytes:
    """A loud tone of 500 Hz, s16le at 16 kHz."""
    samples = round(RATE * ms / 1000)
    return array("h", ([9_000] * 16 + [-9_000] * 16) * (samples // 32 + 1)).tobytes()[: samples * 2]


def said(text: str, word_ms: float = 100, rate: int = RATE) -> SpeechChunk:
    """`text` as synthesised: every word takes `word_ms`."""
    words, start = [], 0
    for number, word in enumerate(text.split()):
        start = text.index(word, start)
        letters = word.rstrip(".,!?")
        words.append(SpokenWord(start, start + len(letters), number * word_ms))
        start += len(word)
    return SpeechChunk(bytes(round(rate * word_ms * len(words) / 1000) * 2), tuple(words))


class Driver:
    """An engine with a clock of its own. `messages` and `commands` are all that came out, in order."""

    def __init__(
        self,
        options: SessionOptions | None = None,
        *,
        lead_ms: float = 1_000,
        rate: int = RATE,
        make_detector: VoiceActivityDetectorFactory = LoudnessDetector,
        voices: tuple[str, ...] = ("alto", "tenor"),
        hints: tuple[str, ...] = (),
        expects: Callable[..., tuple[str, ...]] = lambda tools: (),
    ) -> None:
        numbers = itertools.count(1)
        self.now = 100.0
        self._made = 0  # pieces of speech
        self._checker = LifecycleChecker()  # whatever a test does, the order holds
        self.messages: list[ServerMessage] = []
        self.commands: list[c.Command] = []
        settings = EngineSettings(
            make_detector=make_detector,
            expects=expects,
            synthesis_rate=rate,
            lead_ms=lead_ms,
            hints=hints,
            checks=LocalChecks(voices),
            make_id=lambda kind: f"{kind}_{next(numbers)}",
        )
        given = SessionOptions(input_audio=PCM16_16K, output_audio=AudioFormat("pcm16", rate))
        self.engine = LocalEngine(given.merged(options), settings)
        self.engine.open()
        self._take()

    # --- in ---

    def send(self, *messages: ClientMessage) -> list[ServerMessage]:
        """Send messages; gives what came out of them."""

        def send_all() -> None:
            for message in messages:
                self.engine.send(message, self.now)

        return self._collect(send_all)

    def hear(self, audio: bytes, *, chunk_ms: float | None = None) -> list[ServerMessage]:
        """Append audio, whole or in chunks."""
        size = len(audio) or 1 if chunk_ms is None else len(silence(chunk_ms))
        chunks = [audio[start : start + size] for start in range(0, len(audio), size)]
        return self.send(*(m.InputAudioAppend(audio=chunk) for chunk in chunks))

    def say_something(self, ms: float = 400) -> list[ServerMessage]:
        """A whole turn of the user, with the silence after it."""
        return self.hear(speech(ms) + silence(700))

    def transcript(self, text: str, item_id: str | None = None, *, understood: bool = True) -> list[ServerMessage]:
        """Speech to text is done with an item: the last one that was finished."""
        item_id = item_id or self.last(c.FinishUtterance).item_id
        heard = Transcript(text=text, confidence=0.9, understood=understood)
        return self._collect(lambda: self.engine.transcript_done(item_id, heard, self.now))

    def transcript_failed(self, reason: str, item_id: str | None = None) -> list[ServerMessage]:
        """Speech to text could not do it."""
        item_id = item_id or self.last(c.FinishUtterance).item_id
        return self._collect(lambda: self.engine.transcript_failed(item_id, reason, self.now))

    def write(self, *events: ResponderEvent | str, response_id: str | None = None) -> list[ServerMessage]:
        """The responder of the last response that was asked goes on."""
        response_id = response_id or self.last(c.Answer).response_id

        def write_all() -> None:
            for event in events:
                given = TextChunk(event) if isinstance(event, str) else event
                self.engine.responder_event(response_id, given, self.now)

        return self._collect(write_all)

    def answer(self, *events: ResponderEvent | str, response_id: str | None = None) -> list[ServerMessage]:
        """The responder answers, and is done."""
        return self.write(*events, response_id=response_id) + self.finish(response_id)

    def finish(self, response_id: str | None = None) -> list[ServerMessage]:
        """The responder has nothing more to say."""
        response_id = response_id or self.last(c.Answer).response_id
        return self._collect(lambda: self.engine.responder_done(response_id, self.now))

    def call(self, name: str = "look", call_id: str = "call_a") -> list[ServerMessage]:
        """The responder asks for a function call, and is done."""
        return self.answer(CallRequested(name, "{}", call_id))

    def spoken(self, chunk: SpeechChunk, response_id: str | None = None) -> list[ServerMessage]:
        """Text to speech has made a chunk of the piece that it was given last."""
        response_id = response_id or self.last(c.Speak).response_id
        return self._collect(lambda: self.engine.speech_chunk(response_id, chunk, self.now))

    def speech_done(self, response_id: str | None = None) -> list[ServerMessage]:
        """Text to speech is done with its piece."""
        response_id = response_id or self.last(c.Speak).response_id
        return self._collect(lambda: self.engine.speech_done(response_id, self.now))

    def speak(self, word_ms: float = 100) -> list[ServerMessage]:
        """Text to speech makes all pieces that it was given and did not make yet, and those that follow at once."""
        out: list[ServerMessage] = []
        while len(orders := self.all(c.Speak)) > self._made:
            order = orders[self._made]
            self._made += 1
            out += self.spoken(said(order.text, word_ms), order.response_id)
            out += self.speech_done(order.response_id)
        return out

    def fail(self, reason: str, response_id: str) -> list[ServerMessage]:
        """A stage of a response failed."""
        return self._collect(lambda: self.engine.stage_failed(response_id, reason, self.now))

    def wait(self, seconds: float) -> list[ServerMessage]:
        """Let time pass, and tick whenever the engine wants it."""
        end = self.now + seconds

        def ticks() -> None:
            while (deadline := self.engine.deadline()) is not None and deadline <= end:
                self.now = max(self.now, deadline)
                self.engine.tick(self.now)
                after = self.engine.deadline()
                assert after is None or after > self.now, "the engine spins"
            self.now = end

        return self._collect(ticks)

    def _collect(self, work: Callable[[], object]) -> list[ServerMessage]:
        before = len(self.messages)
        try:
            work()
        finally:
            self._take()
        return self.messages[before:]

    def _take(self) -> None:
        taken = self.engine.take_messages()
        self._checker.feed_all(taken)
        self.messages += taken
        self.commands += self.engine.take_commands()

    # --- out ---

    def all(self, kind: type[Kind]) -> list[Kind]:
        """All messages or commands of that kind."""
        found: list[object] = [*self.messages, *self.commands]
        return [one for one in found if isinstance(one, kind)]

    def last(self, kind: type[Kind]) -> Kind:
        """The last message or command of that kind."""
        return self.all(kind)[-1]

    @property
    def audio_ms(self) -> float:
        """How much audio came out."""
        return sum(delta.format.duration_ms(len(delta.audio)) for delta in self.all(m.OutputAudioDelta))


def names(messages: list[ServerMessage]) -> list[str]:
    """The kinds of messages, deltas of one kind in a row as one."""
    found: list[str] = []
    for message in messages:
        name = type(message).__name__
        if not (found and found[-1] == name and name.endswith("Delta")):
            found.append(name)
    return found


def manual(**changes: object) -> SessionOptions:
    """Options of a session without turn detection."""
    return SessionOptions(turn_detection=OFF, **changes)  # type: ignore[arg-type]


def detecting(**settings: object) -> SessionOptions:
    """Options of a session with turn detection."""
    return SessionOptions(turn_detection=ServerTurnDetection(**settings))  # type: ignore[arg-type]
