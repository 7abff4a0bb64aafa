"""The header of a WAV file: RIFF chunks up to the audio, and what they say about it.

Microsoft, "Multiple channel audio data and WAVE files"; EBU Tech 3306 for RF64 (files above 4 GiB).
"""

from __future__ import annotations

import struct
from typing import BinaryIO, Literal

import msgspec

from duologue.errors import InvalidAudio

SampleKind = Literal["uint8", "int16", "int24", "int32", "float32", "float64", "pcmu", "pcma"]

PCM, FLOAT, ALAW, MULAW, EXTENSIBLE = 0x0001, 0x0003, 0x0006, 0x0007, 0xFFFE

_KINDS: dict[tuple[int, int], SampleKind] = {
    (PCM, 8): "uint8",
    (PCM, 16): "int16",
    (PCM, 24): "int24",
    (PCM, 32): "int32",
    (FLOAT, 32): "float32",
    (FLOAT, 64): "float64",
    (ALAW, 8): "pcma",
    (MULAW, 8): "pcmu",
}
_UNSUPPORTED_CODECS = {
    0x0002: "Microsoft ADPCM",
    0x0011: "IMA ADPCM",
    0x0031: "GSM 6.10",
    0x0040: "G.721 ADPCM",
    0x0050: "MPEG layer 1 or 2",
    0x0055: "MP3",
    0x0092: "AC-3",
    0x00FF: "AAC",
    0x0161: "Windows Media Audio",
    0x0162: "Windows Media Audio Professional",
    0x1610: "AAC",
    0x2000: "AC-3",
    0x674F: "Ogg Vorbis",
    0x704F: "Opus",
    0xF1AC: "FLAC",
}
# First bytes of what people hand over instead of a WAV file.
_OTHER_KINDS = (
    (b"ID3", "an MP3 file"),
    (b"\xff\xfb", "an MP3 file"),
    (b"\xff\xf3", "an MP3 file"),
    (b"\xff\xf2", "an MP3 file"),
    (b"\xff\xf1", "an AAC file"),
    (b"\xff\xf9", "an AAC file"),
    (b"OggS", "an Ogg file (Vorbis or Opus)"),
    (b"fLaC", "a FLAC file"),
    (b"FORM", "an AIFF file"),
    (b"caff", "a Core Audio file"),
    (b"RIFX", "a big-endian WAV file"),
    (b"\x1aE\xdf\xa3", "a WebM or Matroska file"),
)
_WAY_OUT = "Convert it first, e.g. with `ffmpeg -i IN -c:a pcm_s16le OUT.wav`."
# What the sub-format of an extensible header ends with when its start is an ordinary format code.
_SUBFORMAT_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_FORMAT_BYTES = 40
# Above what any converter makes. A broken header must not make readers hold a second of 4 GHz in memory.
_HIGHEST_RATE = 768_000
# Data sizes that a program writes when it does not know yet how much will follow.
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)


class WavHeader(msgspec.Struct, frozen=True):
    """What a WAV file says about its audio.

    Attributes:
        rate: Samples a second and channel, in Hz.
        channels: Number of channels.
        kind: How a sample is written.
        frame_bytes: Bytes in one frame, which is one sample of each channel.
        data_bytes: How many bytes of audio follow; None if the file does not say, as it was streamed.
    """

    rate: int
    channels: int
    kind: SampleKind
    frame_bytes: int
    data_bytes: int | None


def read_header(file: BinaryIO) -> WavHeader:
    """Read up to the first byte of the audio. Never seeks.

    Raises:
        InvalidAudio: It is no WAV file, or one that this library does not read.
    """
    start = read_fully(file, 12)
    if not start:
        raise InvalidAudio("This file is empty.")
    if start[:4] not in (b"RIFF", b"RF64") or (len(start) == 12 and start[8:] != b"WAVE"):
        raise InvalidAudio(f"This is {_other_kind(start)}, not a WAV file. {_WAY_OUT}")
    if len(start) < 12:
        raise _truncated()
    layout: tuple[int, int, SampleKind, int] | None = None
    long_data_bytes: int | None = None
    while True:
        name, size = struct.unpack("<4sI", _read_all(file, 8))
        if name == b"data":
            break
        if name == b"fmt ":
            layout = _parse_format(_read_all(file, min(size, _FORMAT_BYTES)))
            _skip(file, size - min(size, _FORMAT_BYTES) + size % 2)
        elif name == b"ds64" and size >= 16:
            (long_data_bytes,) = struct.unpack_from("<Q", _read_all(file, 16), 8)
            _skip(file, size - 16 + size % 2)
        else:
            _skip(file, size + size % 2)
    if layout is None:
        raise InvalidAudio("This WAV file's audio comes without a format (no `fmt ` chunk before `data`).")
    if size in _UNKNOWN_SIZES:
        return WavHeader(*layout, long_data_bytes or None)
    return WavHeader(*layout, size)


def read_fully(file: BinaryIO, size: int) -> bytes:
    """Read `size` bytes, less only at the end of the file (an unbuffered file or a pipe may give less at a time)."""
    parts: list[bytes] = []
    while size > 0 and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _parse_format(chunk: bytes) -> tuple[int, int, SampleKind, int]:
    if len(chunk) < 16:
        raise InvalidAudio(f"This WAV file's format takes {len(chunk)} bytes; 16 is the least.")
    code, channels, rate, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", chunk)
    if code == EXTENSIBLE:
        if len(chunk) < _FORMAT_BYTES:
            raise InvalidAudio("This WAV file's extensible format is cut short.")
        if chunk[26:40] != _SUBFORMAT_TAIL:
            raise InvalidAudio(f"This WAV file has an unknown sub-format ({chunk[24:40].hex()}). {_WAY_OUT}")
        (code,) = struct.unpack_from("<H", chunk, 24)
    if code not in (PCM, FLOAT, ALAW, MULAW):
        codec = _UNSUPPORTED_CODECS.get(code, f"format 0x{code:04x}")
        raise InvalidAudio(f"This WAV file is compressed with {codec}, which is not read. {_WAY_OUT}")
    kind = _KINDS.get((code, bits))
    if kind is None:
        raise InvalidAudio(f"This WAV file has samples of {bits} bits, which are not read. {_WAY_OUT}")
    if channels == 0:
        raise InvalidAudio("This WAV file has no channels.")
    if not 0 < rate <= _HIGHEST_RATE:
        raise InvalidAudio(f"This WAV file says that it has a sample rate of {rate} Hz.")
    if frame_bytes != channels * bits // 8:
        raise InvalidAudio(f"This WAV file says that {channels} × {bits} bits take {frame_bytes} bytes.")
    return rate, channels, kind, frame_bytes


def _other_kind(start: bytes) -> str:
    if start[4:8] == b"ftyp":
        return "an MP4 or M4A file"
    if start[:4] == b"RIFF":
        return f"a RIFF file of the type {start[8:12]!r}"
    return next((kind for prefix, kind in _OTHER_KINDS if start.startswith(prefix)), "something else")


def _read_all(file: BinaryIO, size: int) -> bytes:
    data = read_fully(file, size)
    if len(data) < size:
        raise _truncated()
    return data


def _skip(file: BinaryIO, size: int) -> None:
    """Read over `size` bytes, in pieces: a chunk may claim to be 4 GiB long, and the file may be a pipe."""
    while size > 0:
        size -= len(_read_all(file, min(size, 1 << 16)))


def _truncated() -> InvalidAudio:
    return InvalidAudio("This WAV file ends before its audio begins: it is cut short.")
