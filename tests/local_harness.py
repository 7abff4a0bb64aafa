"""The embedded provider with stages that need no model, for the conformance suite."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from duologue import messages as m
from duologue.audio.convert import Converter
from duologue.formats import PCM16_16K, AudioFormat
from duologue.local import LocalRealtimeClient
from duologue.speech.responder import CallRequested, ResponderEvent, ResponderRequest, TextChunk
from duologue.testing.conformance import Harness
from duologue.testing.stages import LoudnessDetector, ScriptedResponder, ScriptedSpeechToText, ToneTextToSpeech


class Voices(ToneTextToSpeech):
    """Takes any voice."""

    def voices(self) -> tuple[str, ...]:
        return ()


class LocalHarness(Harness):
    """What is said is a tone; what is heard is written down."""

    def __init__(self) -> None:
        self._said: list[str] = []

    def make_client(self) -> LocalRealtimeClient:
        self._speech_to_text = ScriptedSpeechToText(self._said)
        return LocalRealtimeClient(
            speech_to_text=self._speech_to_text,
            responder=ScriptedResponder(answer),
            text_to_speech=Voices(),
            voice_activity=LoudnessDetector,
            lead_ms=60_000,
        )

    async def speech(self, text: str, format: AudioFormat) -> bytes:
        self._speech_to_text.transcripts.append(text)
        return tone(format)


def tone(format: AudioFormat) -> bytes:
    """Half a second of something loud."""
    converter = Converter(PCM16_16K, format)
    loud = array("h", ([9_000] * 16 + [-9_000] * 16) * 250).tobytes()  # 500 Hz
    return converter.process(loud) + converter.flush()


def answer(request: ResponderRequest) -> Iterable[ResponderEvent]:
    """What a model answers to the prompts of the conformance suite."""
    last = request.items[-1] if request.items else None
    asked = last.text if isinstance(last, m.MessageItem) else ""
    if isinstance(last, m.FunctionResult):
        yield TextChunk(f"It says {last.output}.")
    elif asked == Harness.long_prompt:
        yield TextChunk("Number. " * 3_000)
    elif asked == Harness.tool_prompt and request.tools and request.tool_choice != "none":
        yield CallRequested("get_weather", '{"city": "Oslo"}')
    else:
        yield TextChunk("Hello and ")
        yield TextChunk("good morning to you.")
