"""From any audio format to any other, as a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from duologue.audio.g711 import decode_g711, encode_g711
from duologue.audio.resample import Resampler
from duologue.audio.samples import SampleAligner

if TYPE_CHECKING:
    from duologue.formats import AudioFormat


class Converter:
    """Converts a stream of audio from one format to another.

    The output does not depend on how the input was cut, which may be anywhere, also inside a sample. Between equal
    formats the bytes pass as they are, cut at sample boundaries.

    Args:
        source: The format going in.
        target: The format coming out.

    Raises:
        MissingDependency: numpy is not installed (and the formats differ).
    """

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        self.source = source
        self.target = target
        self._aligner = SampleAligner(source.sample_bytes)
        self._resampler = Resampler(source.rate, target.rate)

    @property
    def pending(self) -> int:
        """Bytes that wait for the rest of their sample. Not 0 at the end of a stream: it was cut inside one."""
        return self._aligner.pending

    def process(self, audio: bytes) -> bytes:
        """Take the next bytes of the stream, in the source format; give what they make possible, in the target."""
        audio = self._aligner.align(audio)
        if self.source == self.target:
            return audio
        pcm = audio if self.source.encoding == "pcm16" else decode_g711(audio, self.source.encoding)
        return self._encode(self._resampler.process(pcm))

    def flush(self) -> bytes:
        """End the stream: give what the resampler held back. The next `process` begins a new stream.

        An incomplete sample (see `pending`) is dropped, as half a sample is no sound.
        """
        self._aligner.reset()
        tail = self._resampler.flush()
        return tail if self.source == self.target else self._encode(tail)

    def reset(self) -> None:
        """Drop what is held back and begin a new stream."""
        self._aligner.reset()
        self._resampler.reset()

    def _encode(self, pcm: bytes) -> bytes:
        return pcm if self.target.encoding == "pcm16" else encode_g711(pcm, self.target.encoding)
