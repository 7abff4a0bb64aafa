"""The user's turns, cut out of a stream of audio. Pure."""

from __future__ import annotations

from collections import deque

from duologue import messages as m
from duologue.audio import Converter
from duologue.formats import AudioFormat
from duologue.messages.base import ClientMessage
from duologue.speech.segmentation import SegmentationSettings, SpeechSegmenter, SpeechStart
from duologue.speech.stages import VoiceActivityDetector

_FRAME_MS = 100.0  # a detector judges no longer pieces than that


class TurnCutter:
    """Takes audio, and gives the messages that mark and carry the user's turns: nothing else goes to the provider.

    Audio from before the first word belongs to a turn (`SegmentationSettings.prefix_padding_ms`), and so is held back
    for as long.

    Args:
        detector: Tells whether somebody speaks. The cutter owns it.
        settings: When sound counts as a turn.
        format: Of the audio.

    Attributes:
        is_speaking: Whether a turn is open.
    """

    def __init__(self, detector: VoiceActivityDetector, settings: SegmentationSettings, format: AudioFormat) -> None:
        self.is_speaking = False
        self._format = format
        self._segmenter = SpeechSegmenter(detector, settings)
        self._converter = Converter(format, AudioFormat(rate=detector.sample_rate))
        self._keep_ms = settings.prefix_padding_ms + settings.min_speech_ms + _FRAME_MS
        self._before: deque[tuple[float, bytes]] = deque()  # audio of before a turn, each with where it begins, in ms
        self._fed_ms = 0.0

    def feed(self, audio: bytes) -> list[ClientMessage]:
        """The next audio, in whole samples."""
        begins_ms = self._fed_ms
        self._fed_ms += self._format.duration_ms(len(audio))
        self._before.append((begins_ms, audio))
        out: list[ClientMessage] = []
        for event in self._segmenter.feed(self._converter.process(audio)):
            if isinstance(event, SpeechStart):
                self.is_speaking = True
                out += [m.UserTurnStart(), *self._from(event.audio_start_ms)]
            else:
                out += [*self._from(0.0), m.UserTurnEnd()]
                self.is_speaking = False
        if self.is_speaking:
            out += self._from(0.0)
        self._trim()
        return out

    def finish(self) -> list[ClientMessage]:
        """The stream pauses: an open turn is over."""
        stopped = self._segmenter.finish()
        self._before.clear()
        self.is_speaking = False
        return [] if stopped is None else [m.UserTurnEnd()]

    def skip(self, audio: bytes) -> None:
        """Audio that is not to be heard: for the detector, time passes in silence."""
        self._fed_ms += self._format.duration_ms(len(audio))
        self._segmenter.feed(bytes(len(self._converter.process(audio))))
        self._before.clear()

    def close(self) -> None:
        """Give the detector back."""
        self._segmenter.close()

    def _from(self, start_ms: float) -> list[ClientMessage]:
        """What is held back, from there on."""
        audio = b"".join(self._cut(begins_ms, piece, start_ms) for begins_ms, piece in self._before)
        self._before.clear()
        return [m.InputAudioAppend(audio=audio)] if audio else []

    def _cut(self, begins_ms: float, piece: bytes, start_ms: float) -> bytes:
        early_ms = start_ms - begins_ms
        return piece if early_ms <= 0 else piece[self._format.bytes_for(early_ms) :]

    def _trim(self) -> None:
        while len(self._before) > 1 and self._before[1][0] <= self._fed_ms - self._keep_ms:
            self._before.popleft()
