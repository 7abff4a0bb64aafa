"""The input buffer: the user's audio on its way to becoming an item."""

from __future__ import annotations

import msgspec

from duologue.audio.convert import Converter
from duologue.formats import PCM16_16K, AudioFormat
from duologue.options import ServerTurnDetection
from duologue.speech.segmentation import SegmentationSettings, SpeechSegmenter, SpeechStart
from duologue.speech.stages import VoiceActivityDetector, VoiceActivityDetectorFactory

_BYTES_PER_MS = 32  # of s16le at 16 kHz
_LONGEST_TURN = 32 * 2**20  # bytes: 17 minutes
_KEPT_MS = 1_000  # before the prefix padding: what a detector may need to make up its mind


class TurnBegan(msgspec.Struct, frozen=True):
    """A turn of the user has begun.

    Attributes:
        audio_start_ms: Where, in ms of all input audio.
    """

    audio_start_ms: int


class TurnAudio(msgspec.Struct, frozen=True):
    """More audio of the turn: s16le mono at 16 kHz."""

    audio: bytes


class TurnEnded(msgspec.Struct, frozen=True):
    """The silence window after the turn is over.

    Attributes:
        audio_end_ms: Where, in ms of all input audio.
        audio: All audio of the turn: s16le mono at 16 kHz.
    """

    audio_end_ms: int
    audio: bytes


class TurnDropped(msgspec.Struct, frozen=True):
    """The turn that may be open is none: its audio is searched for turns anew."""


InputEvent = TurnBegan | TurnAudio | TurnEnded | TurnDropped


class InputBuffer:
    """Takes the application's audio, and tells turns by silence or, without turn detection, as one open turn. Pure.

    Args:
        format: The application's format.
        make_detector: Makes the detector, when there is first something to look at. May block while a model is loaded.
    """

    def __init__(self, format: AudioFormat, make_detector: VoiceActivityDetectorFactory) -> None:
        self._converter = Converter(format, PCM16_16K)
        self._make_detector = make_detector
        self._detector: VoiceActivityDetector | None = None
        self._settings: SegmentationSettings | None = None  # while turns are detected
        self._segmenter: _Segmenter | None = None  # from the first audio on
        self._recent = bytearray()  # what is not part of the turn (yet); ends at the present
        self._turn: bytearray | None = None  # the audio of the open turn
        self._position = 0  # bytes of all audio so far

    @property
    def position_ms(self) -> int:
        """How much audio was taken so far, in ms."""
        return self._position // _BYTES_PER_MS

    def prepare(self, detection: ServerTurnDetection | None) -> None:
        """Make the detector, if there is none yet and there is something to look at."""
        if detection is not None and self._detector is None and self._turn:
            self._detector = self._make_detector()

    def detect(self, detection: ServerTurnDetection | None) -> list[InputEvent]:
        """Find turns by these settings from now on; None: the application marks them.

        Raises:
            InvalidInput: The settings do not make sense. Nothing has changed.
        """
        if detection is None:
            self._settings = self._segmenter = None
            self._recent.clear()
            return []
        self._settings = segmentation_settings(detection)
        if self._segmenter is not None:
            self._segmenter.settings = self._settings
            return []
        self.prepare(detection)
        audio = self._take_turn()
        if self._detector is None:
            return [TurnDropped()]
        return [TurnDropped(), *self._append_and_segment(self._begin_to_detect(self._settings, len(audio)), audio)]

    def reformat(self, format: AudioFormat) -> list[InputEvent]:
        """The application's audio has another format from now on."""
        events = self.flush()
        self._converter = Converter(format, PCM16_16K)
        return events

    def append(self, audio: bytes) -> list[InputEvent]:
        """Take more audio, in the application's format."""
        if self._segmenter is None and self._settings is not None:
            self._begin_to_detect(self._settings)
        pcm = self._converter.process(audio)
        self._position += len(pcm)
        if self._segmenter is None:
            return self._append_to_open_turn(pcm)
        return self._append_and_segment(self._segmenter, pcm)

    def end_segment(self) -> list[InputEvent]:
        """The input pauses: a turn that was detected and is still open ends here."""
        if self._segmenter is None:
            return []
        tail = self._converter.flush()
        self._position += len(tail)
        events = self._append_and_segment(self._segmenter, tail)
        if self._segmenter.finish():
            events.append(TurnEnded(self.position_ms, self._take_turn()))
        return events

    def flush(self) -> list[InputEvent]:
        """The last samples of the open turn, which the resampler held back."""
        if not self._turn:
            return []
        tail = self._converter.flush()
        self._position += len(tail)
        if self._segmenter is None:
            return self._append_to_open_turn(tail)
        return self._append_and_segment(self._segmenter, tail)

    def commit(self) -> bytes | None:
        """Take the open turn's audio out; None when there is none. Call `flush` before."""
        if not self._turn:
            return None
        if self._segmenter is not None:
            self._segmenter.finish()
        return self._take_turn()

    def clear(self) -> None:
        """Throw away what is held. Positions go on."""
        self._turn = None
        self._recent.clear()
        tail = self._converter.flush()
        self._position += len(tail)
        if self._segmenter is not None:
            self._segmenter.feed(tail)
            self._segmenter.finish()

    def close(self) -> None:
        """Give the detector back."""
        self._settings = self._segmenter = None
        if self._detector is not None:
            self._detector.close()
            self._detector = None

    def _begin_to_detect(self, settings: SegmentationSettings, look_back: int = 0) -> _Segmenter:
        """Look at what comes from here on, and at the last `look_back` bytes before."""
        if self._detector is None:
            self._detector = self._make_detector()
        self._detector.reset()
        self._segmenter = _Segmenter(self._detector, settings, self._position - look_back)
        return self._segmenter

    def _keep(self, audio: bytes) -> None:
        """More audio of the open turn. Of one that never ends, only the last part is kept."""
        assert self._turn is not None
        self._turn += audio
        if len(self._turn) > _LONGEST_TURN:
            del self._turn[: len(self._turn) - _LONGEST_TURN]

    def _take_turn(self) -> bytes:
        turn, self._turn = self._turn, None
        return bytes(turn or b"")

    def _append_to_open_turn(self, pcm: bytes) -> list[InputEvent]:
        if not pcm:
            return []
        events: list[InputEvent] = []
        if self._turn is None:
            self._turn = bytearray()
            events.append(TurnBegan((self._position - len(pcm)) // _BYTES_PER_MS))
        self._keep(pcm)
        return [*events, TurnAudio(pcm)]

    def _append_and_segment(self, segmenter: _Segmenter, pcm: bytes) -> list[InputEvent]:
        events: list[InputEvent] = []
        self._recent += pcm
        for starts, position in segmenter.feed(pcm):
            if starts:
                del self._recent[: max(0, position - (self._position - len(self._recent)))]
                self._turn = bytearray()
                events.append(TurnBegan(position // _BYTES_PER_MS))
            else:
                self._take_back(position)
                self._move_recent(len(self._recent) - (self._position - position), events)
                events.append(TurnEnded(position // _BYTES_PER_MS, self._take_turn()))
        if segmenter.speaking:
            self._move_recent(len(self._recent), events)
        else:
            settings = segmenter.settings
            keep = (settings.prefix_padding_ms + settings.min_speech_ms + _KEPT_MS) * _BYTES_PER_MS
            del self._recent[: max(0, len(self._recent) - keep)]
        return events

    def _take_back(self, position: int) -> None:
        """What the open turn already has beyond `position`, while its end was not known, may belong to the next."""
        excess = self._position - len(self._recent) - position
        if self._turn is not None and excess > 0:
            self._recent[:0] = self._turn[-excess:]
            del self._turn[-excess:]

    def _move_recent(self, size: int, events: list[InputEvent]) -> None:
        """Move the first `size` bytes into the open turn."""
        if self._turn is None or size <= 0:
            return
        audio = bytes(self._recent[:size])
        del self._recent[:size]
        self._keep(audio)
        events.append(TurnAudio(audio))


class _Segmenter:
    """A `SpeechSegmenter` that begins in the middle of the session's audio, with a detector of any rate.

    Positions are bytes of all input audio, at 16 kHz.
    """

    def __init__(self, detector: VoiceActivityDetector, settings: SegmentationSettings, origin: int) -> None:
        self._segmenter = SpeechSegmenter(detector, settings)
        self._converter = Converter(PCM16_16K, AudioFormat("pcm16", detector.sample_rate))
        self._origin = origin  # where the segmenter's own count begins

    @property
    def settings(self) -> SegmentationSettings:
        """May be replaced at any time."""
        return self._segmenter.settings

    @settings.setter
    def settings(self, settings: SegmentationSettings) -> None:
        self._segmenter.settings = settings

    @property
    def speaking(self) -> bool:
        """Whether a segment is open."""
        return self._segmenter.speaking

    def feed(self, pcm: bytes) -> list[tuple[bool, int]]:
        """Take more audio; gives where segments start (True) and stop (False)."""
        found: list[tuple[bool, int]] = []
        for event in self._segmenter.feed(self._converter.process(pcm)):
            starts = isinstance(event, SpeechStart)
            ms = event.audio_start_ms if isinstance(event, SpeechStart) else event.audio_end_ms
            found.append((starts, self._origin + ms * _BYTES_PER_MS))
        return found

    def finish(self) -> bool:
        """Forget what was heard, and end the segment that is open; whether there was one."""
        return self._segmenter.finish() is not None


def segmentation_settings(detection: ServerTurnDetection) -> SegmentationSettings:
    """When sound counts as a turn.

    Raises:
        InvalidInput: A probability outside of 0 to 1, or a negative time.
    """
    values = {
        "threshold": detection.threshold,
        "prefix_padding_ms": detection.prefix_padding_ms,
        "silence_ms": detection.silence_ms,
    }
    return SegmentationSettings(**{name: value for name, value in values.items() if value is not None})  # type: ignore[arg-type]
