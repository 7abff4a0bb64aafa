"""The model behind an emulator: what it hears, what it answers, and how that sounds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from duologue import messages as m
from duologue.errors import SpeechFailed
from duologue.local.engine import EngineSettings, LocalEngine
from duologue.local.runner import EngineRunner
from duologue.messages.base import ServerMessage
from duologue.options import SessionOptions
from duologue.speech.responder import Responder, ResponderEvent, ResponderRequest, TextChunk
from duologue.testing.emulation.rules import WireChecks
from duologue.testing.stages import LoudnessDetector, ScriptedResponder, ScriptedSpeechToText, ToneTextToSpeech

Step = str | ResponderEvent | Exception
"""What a model does: says something, calls a function, or fails."""

Reply = Step | Iterable[Step]
"""One answer."""

Replies = Iterable[Reply] | Callable[[ResponderRequest], Reply] | Responder
"""What a model answers: its answers in order, a function of the question, or a responder."""


class EmulatedModel:
    """Stages for the sessions of an emulator. Every session plays the script from its beginning.

    Args:
        replies: What the model answers; None: it repeats what it is told.
        hears: What the user says, one transcript for each turn that is spoken. Loud audio is speech, quiet is silence.
        word_ms: How long it takes to say a word, in ms.
        lead_ms: How far ahead of playback audio is sent, in ms.
    """

    def __init__(
        self, replies: Replies | None, hears: Iterable[str | SpeechFailed], word_ms: int, lead_ms: float
    ) -> None:
        self._new_responder = _responders(replies)
        self._hears = list(hears)
        self._lead_ms = lead_ms
        self.text_to_speech = ToneTextToSpeech(word_ms)

    def speech_to_text(self) -> ScriptedSpeechToText:
        """The ears of one session."""
        return ScriptedSpeechToText(self._hears)

    def runner(
        self,
        options: SessionOptions,
        ears: ScriptedSpeechToText,
        *,
        said: Callable[[list[ServerMessage]], None],
        failed: Callable[[BaseException], None],
    ) -> EngineRunner:
        """A session with these options, that is not open yet.

        Raises:
            InvalidInput: The options do not make sense.
        """
        responder = self._new_responder()
        engine = self._engine(options, responder)
        return EngineRunner(engine, ears, responder, self.text_to_speech, said=said, failed=failed)

    def _engine(self, options: SessionOptions, responder: Responder) -> LocalEngine:
        settings = EngineSettings(
            make_detector=LoudnessDetector,
            expects=responder.expects,
            synthesis_rate=self.text_to_speech.sample_rate,
            lead_ms=self._lead_ms,
            checks=WireChecks(),
        )
        return LocalEngine(options, settings)


def _responders(replies: Replies | None) -> Callable[[], Responder]:
    """Makes a responder for each session."""
    if replies is None:
        return lambda: _answering(_repeat)
    if callable(replies):
        return lambda: _answering(replies)
    if not isinstance(replies, Iterable):
        return lambda: replies
    script = list(replies)

    def play() -> Responder:
        rest = iter(script)
        return _answering(lambda request: _next(rest))

    return play


def _answering(reply: Callable[[ResponderRequest], Reply]) -> Responder:
    return ScriptedResponder(lambda request: _steps(reply(request)))


def _next(script: Iterator[Reply]) -> Reply:
    try:
        return next(script)
    except StopIteration:
        return SpeechFailed("The emulator was asked for more answers than it has replies.")


def _steps(reply: Reply) -> Iterator[ResponderEvent | Exception]:
    steps: Iterable[Step] = (reply,) if isinstance(reply, str) or not isinstance(reply, Iterable) else reply
    for step in steps:
        if isinstance(step, str):
            yield from (TextChunk(words) for words in re.findall(r"\S+\s*", step))
        else:
            yield step


def _repeat(request: ResponderRequest) -> Reply:
    last = request.items[-1] if request.items else None
    if isinstance(last, m.FunctionResult):
        return f"The answer is: {last.output}"
    said = last.text if isinstance(last, m.MessageItem) else ""
    return f"You said: {said}" if said else "Hello."
