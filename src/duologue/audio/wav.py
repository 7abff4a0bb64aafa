"""WAV files in and out, as streams in bounded memory."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, BinaryIO

from duologue.audio.wav_header import SampleKind, read_fully, read_header
from duologue.errors import InvalidAudio, InvalidInput
from duologue.formats import AudioFormat

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

WavFile = str | os.PathLike[str] | BinaryIO

# "Unknown", as streaming programs write it; readers then go to the end of the file.
_UNKNOWN_SIZE = 0xFFFFFFFF
_HEADER_BYTES = 44


class WavReader:
    """Reads a WAV file of nearly any kind as chunks of mono s16le audio.

    PCM of 8, 16, 24 and 32 bits, float of 32 and 64 bits, µ-law and A-law; plain, extensible and RF64 headers; any
    rate; any number of channels, which are averaged. Float samples beyond ±1 are clipped. The file may be a pipe, and
    its header need not know how long it is.

    A file that holds less than its header says, or that ends inside a frame, loses nothing and is not passed over:
    all whole samples come first, then `InvalidAudio` is raised. With `allow_truncated` reading ends quietly, and
    `truncated` says so.

    Args:
        file: A path, or a file opened for reading bytes, which is then not closed here.
        chunk_ms: How much audio an iteration gives, in milliseconds; the last one may be shorter.
        allow_truncated: Whether a file that is cut short is good enough.

    Attributes:
        rate: Samples a second, in Hz.
        channels: Channels in the file.
        kind: How samples are written in the file, e.g. ``"int24"``.
        frames: How many samples the header promises; None if it does not say.
        truncated: Whether the file turned out to be cut short. Known at the end.

    Raises:
        InvalidAudio: It is no WAV file, is compressed, has a broken header, or holds no audio.
        OSError: The file cannot be read.
        MissingDependency: numpy is not installed, which all but 16-bit mono needs.
    """

    def __init__(self, file: WavFile, *, chunk_ms: float = 20, allow_truncated: bool = False) -> None:
        self._owned = isinstance(file, str | os.PathLike)
        self._file: BinaryIO = open(file, "rb") if isinstance(file, str | os.PathLike) else file  # noqa: SIM115
        try:
            header = read_header(self._file)
            self._ahead = read_fully(self._file, header.frame_bytes)
            if not self._ahead:
                raise InvalidAudio("This WAV file holds no audio.")
        except BaseException:
            self.close()
            raise
        self.rate = header.rate
        self.channels = header.channels
        self.kind: SampleKind = header.kind
        self.frames = None if header.data_bytes is None else header.data_bytes // header.frame_bytes
        self.truncated = False
        self._frame_bytes = header.frame_bytes
        self._data_bytes = header.data_bytes
        self._taken = 0
        self._chunk_frames = max(1, int(header.rate * chunk_ms / 1000))
        self._allow_truncated = allow_truncated

    @property
    def format(self) -> AudioFormat:
        """The format of the chunks: s16le at the file's rate."""
        return AudioFormat("pcm16", self.rate)

    def read(self, frames: int) -> bytes:
        """Read up to `frames` samples as mono s16le; less only at the end, and nothing after it.

        Raises:
            InvalidAudio: The end was reached, and the file is cut short.
        """
        size = frames * self._frame_bytes
        if self._data_bytes is not None:
            size = min(size, self._data_bytes - self._taken)
        raw = self._read_raw(size)
        self._taken += len(raw)
        whole = len(raw) - len(raw) % self._frame_bytes
        if len(raw) < size or whole < len(raw):
            self.truncated |= whole < len(raw) or self._data_bytes is not None
        if not whole and self.truncated and not self._allow_truncated:
            raise InvalidAudio(self._what_is_missing())
        return to_mono(raw[:whole], self.kind, self.channels)

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read(self._chunk_frames):
            yield chunk

    def close(self) -> None:
        """Close the file, if it was opened here."""
        if self._owned:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_raw(self, size: int) -> bytes:
        ahead, self._ahead = self._ahead[:size], self._ahead[size:]
        return ahead + read_fully(self._file, size - len(ahead))

    def _what_is_missing(self) -> str:
        there = self._taken // self._frame_bytes
        if self.frames is None or there == self.frames:
            return f"This WAV file ends inside a sample, after {there} whole ones. Those were read."
        return (
            f"This WAV file is cut short: its header promises {self.frames} samples, {there} are there "
            f"({there / self.rate:.3f} s of {self.frames / self.rate:.3f} s). Those were read."
        )


class WavWriter:
    """Writes a 16-bit WAV file as a stream.

    The header says "length unknown" until `close` puts the length in; where the file cannot seek, or is longer than
    4 GiB, it stays so, which readers understand. A program that is killed leaves a readable file.

    Args:
        file: A path, or a file opened for writing bytes, which is then not closed here.
        rate: Samples a second, in Hz.
        channels: Number of channels; their samples alternate.

    Raises:
        InvalidInput: The rate or the number of channels is not positive.
        OSError: The file cannot be written.
    """

    def __init__(self, file: WavFile, rate: int, channels: int = 1) -> None:
        if rate <= 0 or channels <= 0:
            raise InvalidInput(f"A WAV file has a positive rate and channel count, not {rate} Hz and {channels}.")
        self.rate = rate
        self.channels = channels
        self._owned = isinstance(file, str | os.PathLike)
        self._file: BinaryIO = open(file, "wb") if isinstance(file, str | os.PathLike) else file  # noqa: SIM115
        self._start = self._file.tell() if self._file.seekable() else None
        self._data_bytes = 0
        self._closed = False
        self._file.write(self._header(_UNKNOWN_SIZE, _UNKNOWN_SIZE))

    @property
    def frames(self) -> int:
        """Samples written so far, a channel."""
        return self._data_bytes // (2 * self.channels)

    def write(self, pcm: bytes) -> None:
        """Append s16le samples.

        Raises:
            InvalidAudio: `pcm` is no whole number of frames (one sample of each channel). Nothing was written.
            InvalidInput: The file is closed.
        """
        if self._closed:
            raise InvalidInput("This WAV file is closed.")
        if len(pcm) % (2 * self.channels):
            raise InvalidAudio(f"{len(pcm)} bytes are no whole number of frames of {2 * self.channels} bytes.")
        self._file.write(pcm)
        self._data_bytes += len(pcm)

    def close(self) -> None:
        """Put the length into the header, where the file can seek, and close it, if it was opened here."""
        if self._closed:
            return
        self._closed = True
        try:
            riff_bytes = self._data_bytes + _HEADER_BYTES - 8
            if self._start is not None and riff_bytes < _UNKNOWN_SIZE:
                end = self._file.tell()
                self._file.seek(self._start)
                self._file.write(self._header(riff_bytes, self._data_bytes))
                self._file.seek(end)
            self._file.flush()
        finally:
            if self._owned:
                self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _header(self, riff_bytes: int, data_bytes: int) -> bytes:
        frame_bytes = 2 * self.channels
        layout = (16, 1, self.channels, self.rate, self.rate * frame_bytes, frame_bytes, 16)
        return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", riff_bytes, b"WAVE", b"fmt ", *layout, b"data", data_bytes)


def read_wav(file: WavFile, *, allow_truncated: bool = False) -> tuple[bytes, AudioFormat]:
    """Read a whole WAV file as mono s16le; see `WavReader` for what it takes and raises."""
    with WavReader(file, chunk_ms=1000, allow_truncated=allow_truncated) as reader:
        return b"".join(reader), reader.format


def write_wav(file: WavFile, pcm: bytes, rate: int, channels: int = 1) -> None:
    """Write s16le samples as a whole WAV file; see `WavWriter`."""
    with WavWriter(file, rate, channels) as writer:
        writer.write(pcm)


def to_mono(raw: bytes, kind: SampleKind, channels: int) -> bytes:
    """Turn whole frames of any kind of sample into mono s16le, averaging the channels.

    Raises:
        MissingDependency: numpy is not installed, and it is not 16-bit mono already.
    """
    if not raw or (kind == "int16" and channels == 1):
        return raw
    from duologue.audio._numpy import np, samples_of, to_pcm
    from duologue.audio.g711 import decode_g711

    match kind:
        case "uint8":
            samples = (np.frombuffer(raw, np.uint8) - 128.0) * 256
        case "int16":
            samples = samples_of(raw).astype(np.float64)
        case "int24":
            # As the upper three bytes of 32 bits.
            widened = np.zeros((len(raw) // 3, 4), np.uint8)
            widened[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
            samples = widened.view("<i4").reshape(-1) / 65536.0
        case "int32":
            samples = np.frombuffer(raw, "<i4") / 65536.0
        case "float32" | "float64":
            values = np.frombuffer(raw, "<f4" if kind == "float32" else "<f8").astype(np.float64)
            samples = np.clip(np.nan_to_num(values, nan=0.0), -1.0, 1.0) * 32768
        case "pcmu" | "pcma":
            samples = samples_of(decode_g711(raw, kind)).astype(np.float64)
    return to_pcm(samples.reshape(-1, channels).mean(axis=1))
