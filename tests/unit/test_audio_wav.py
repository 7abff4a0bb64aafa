from __future__ import annotations

import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.audio import WavReader, WavWriter, encode_g711, read_wav, write_wav
from duologue.errors import InvalidAudio, InvalidInput

PCM, FLOAT, ALAW, MULAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
SUBFORMAT_TAIL = bytes.fromhex("000000001000800000aa00389b71")
UNKNOWN = 0xFFFFFFFF


def chunk(name: bytes, data: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(data) if size is None else size) + data + bytes(len(data) % 2)


def wav_bytes(
    data: bytes,
    *,
    code: int = PCM,
    bits: int = 16,
    channels: int = 1,
    rate: int = 8000,
    extensible: bool = False,
    size: int | None = None,
    before: bytes = b"",
    after: bytes = b"",
    riff: bytes = b"RIFF",
    frame_bytes: int | None = None,
) -> bytes:
    """A WAV file with this data; `size` is what the header says of it."""
    frame = channels * bits // 8 if frame_bytes is None else frame_bytes
    layout = struct.pack("<HHIIHH", EXTENSIBLE if extensible else code, channels, rate, rate * frame, frame, bits)
    if extensible:
        layout += struct.pack("<HHIH", 22, bits, 0, code) + SUBFORMAT_TAIL
    body = b"WAVE" + before + chunk(b"fmt ", layout) + chunk(b"data", data, size) + after
    return riff + struct.pack("<I", len(body)) + body


def samples(pcm: bytes) -> list[int]:
    return [value for (value,) in struct.iter_unpack("<h", pcm)]


def read(content: bytes) -> list[int]:
    return samples(read_wav(io.BytesIO(content))[0])


VALUES = [0, 1, -1, 1000, -1000, 32767, -32768]
KINDS = {
    "int16": (PCM, 16, struct.pack("<7h", *VALUES)),
    "int24": (PCM, 24, b"".join((value << 8).to_bytes(3, "little", signed=True) for value in VALUES)),
    "int32": (PCM, 32, struct.pack("<7i", *(value << 16 for value in VALUES))),
    "float32": (FLOAT, 32, struct.pack("<7f", *(value / 32768 for value in VALUES))),
    "float64": (FLOAT, 64, struct.pack("<7d", *(value / 32768 for value in VALUES))),
}


@pytest.mark.parametrize("extensible", [False, True], ids=["plain", "extensible"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_sample_is_read(kind: str, extensible: bool) -> None:
    code, bits, data = KINDS[kind]
    reader = WavReader(io.BytesIO(wav_bytes(data, code=code, bits=bits, rate=22050, extensible=extensible)))
    assert (reader.kind, reader.rate, reader.channels, reader.frames) == (kind, 22050, 1, 7)
    assert samples(b"".join(reader)) == VALUES


def test_eight_bits_are_unsigned() -> None:
    assert read(wav_bytes(bytes([128, 129, 0, 255]), bits=8)) == [0, 256, -32768, 32512]


@pytest.mark.parametrize(("code", "law"), [(MULAW, "pcmu"), (ALAW, "pcma")])
def test_telephone_files_are_read(code: int, law: str) -> None:
    pcm = struct.pack("<4h", 8031, -8031, 100, -100)
    codes = encode_g711(pcm, "pcmu" if law == "pcmu" else "pcma")
    decoded = read(wav_bytes(codes, code=code, bits=8))
    assert all(abs(value - wanted) <= abs(wanted) / 16 for value, wanted in zip(decoded, samples(pcm), strict=True))


def test_wide_samples_are_rounded_and_floats_clipped() -> None:
    assert read(wav_bytes(struct.pack("<3i", 0x17FFF, 0x18000, 0x7FFFFFFF), bits=32)) == [1, 2, 32767]
    floats = struct.pack("<6f", 2.0, -2.0, float("inf"), float("-inf"), float("nan"), 0.5)
    assert read(wav_bytes(floats, code=FLOAT, bits=32)) == [32767, -32768, 32767, -32768, 0, 16384]


@pytest.mark.parametrize("kind", KINDS)
def test_channels_are_averaged(kind: str) -> None:
    code, bits, data = KINDS[kind]
    size = bits // 8
    frames = b"".join(data[start : start + size] + bytes(size) for start in range(0, len(data), size))
    expected = [int(np.rint(value / 2)) for value in VALUES]
    assert read(wav_bytes(frames, code=code, bits=bits, channels=2)) == expected


def test_any_number_of_channels_is_mixed() -> None:
    assert read(wav_bytes(struct.pack("<10h", *range(0, 100, 10)), channels=5)) == [20, 70]


@pytest.mark.parametrize("size", [0, UNKNOWN])
def test_a_streamed_file_is_read_to_its_end(size: int) -> None:
    reader = WavReader(io.BytesIO(wav_bytes(struct.pack("<3h", 1, 2, 3), size=size)))
    assert reader.frames is None
    assert samples(b"".join(reader)) == [1, 2, 3]
    assert not reader.truncated


def test_other_chunks_and_their_padding_are_passed_over() -> None:
    before = chunk(b"LIST", b"INFOx") + chunk(b"bext", bytes(602))
    content = wav_bytes(struct.pack("<2h", 5, 6), before=before, after=chunk(b"LIST", b"after the audio"))
    assert read(content) == [5, 6]


def test_padding_of_odd_audio_is_no_audio() -> None:
    content = wav_bytes(bytes([128, 255, 128]), bits=8, after=chunk(b"LIST", b"tail"))
    assert read(content) == [0, 32512, 0]


def test_a_file_above_4_gib_says_its_length_elsewhere() -> None:
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 0, 4, 0, 0))
    content = wav_bytes(
        struct.pack("<2h", 5, 6), riff=b"RF64", before=ds64, size=UNKNOWN, after=chunk(b"LIST", b"tail")
    )
    assert read(content) == [5, 6]


class Dribble(io.RawIOBase):
    """A pipe: it cannot seek, and gives a few bytes at a time."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._content.read(min(size, 3) if size >= 0 else 3)


@given(data=st.binary(min_size=6, max_size=300).map(lambda data: data[: len(data) // 6 * 6]))
def test_chunks_of_any_length_from_a_pipe_give_the_same(data: bytes) -> None:
    content = wav_bytes(data, bits=24, channels=2, before=chunk(b"LIST", b"abc"))
    whole = read(content)
    pipe: io.RawIOBase = Dribble(content)
    with WavReader(pipe, chunk_ms=0.4) as reader:  # type: ignore[arg-type]
        assert samples(b"".join(reader)) == whole


def test_chunks_have_the_length_that_is_asked_for() -> None:
    content = wav_bytes(bytes(2 * 1000), rate=16000)
    assert [len(pcm) for pcm in WavReader(io.BytesIO(content), chunk_ms=20)] == [640, 640, 640, 80]


class Endless(io.BytesIO):
    """A file that never ends, which notes the most that was asked of it at once."""

    largest_read = 0

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert size >= 0
        self.largest_read = max(self.largest_read, size)
        return super().read(size) or bytes(size)


def test_memory_is_bounded_however_long_the_file_is() -> None:
    content = wav_bytes(b"", size=UNKNOWN, rate=48000, channels=2, bits=32, before=chunk(b"LIST", bytes(300_000)))
    file = Endless(content)
    chunks = iter(WavReader(file, chunk_ms=20))
    for _ in range(20):
        assert len(next(chunks)) == 1920
    assert file.largest_read <= 1 << 16


def test_a_truncated_file_gives_all_it_has_and_then_says_so() -> None:
    content = wav_bytes(struct.pack("<3h", 1, 2, 3) + b"\x04", size=16000, rate=8000)[:-1]
    reader = WavReader(io.BytesIO(content))
    assert samples(reader.read(8000)) == [1, 2, 3]
    with pytest.raises(InvalidAudio, match=r"promises 8000 samples, 3 are there \(0\.000 s of 1\.000 s\)"):
        reader.read(8000)
    assert reader.truncated


def test_iteration_over_a_truncated_file_raises_at_the_end() -> None:
    content = wav_bytes(bytes(2 * 500), size=2000, rate=8000)
    got: list[bytes] = []
    with pytest.raises(InvalidAudio, match="cut short"):
        got.extend(WavReader(io.BytesIO(content)))
    assert b"".join(got) == bytes(1000)


def test_a_truncated_file_can_be_accepted() -> None:
    content = wav_bytes(struct.pack("<3h", 1, 2, 3), size=16000)
    reader = WavReader(io.BytesIO(content), allow_truncated=True)
    assert samples(b"".join(reader)) == [1, 2, 3]
    assert reader.truncated
    assert samples(read_wav(io.BytesIO(content), allow_truncated=True)[0]) == [1, 2, 3]


@pytest.mark.parametrize("size", [5, UNKNOWN])
def test_half_a_sample_at_the_end_is_said(size: int) -> None:
    content = wav_bytes(struct.pack("<2h", 1, 2) + b"x", size=size)[: -1 if size == UNKNOWN else None]
    reader = WavReader(io.BytesIO(content))
    assert samples(reader.read(100)) == [1, 2]
    with pytest.raises(InvalidAudio, match="ends inside a sample, after 2 whole ones"):
        reader.read(100)


GOOD = wav_bytes(bytes(8))
BAD = {
    "nothing": (b"", "file is empty"),
    "text": (b"Dear reader, this is a letter.", "something else, not a WAV file"),
    "short text": (b"Hi", "something else, not a WAV file"),
    "MP3 with tags": (b"ID3\x04" + bytes(100), "an MP3 file"),
    "MP3": (b"\xff\xfb\x90\x00" + bytes(100), "an MP3 file"),
    "Ogg": (b"OggS" + bytes(100), "an Ogg file"),
    "FLAC": (b"fLaC" + bytes(100), "a FLAC file"),
    "M4A": (b"\x00\x00\x00 ftypM4A " + bytes(100), "an MP4 or M4A file"),
    "AVI": (b"RIFF\x00\x01\x00\x00AVI " + bytes(100), "RIFF file of the type b'AVI '"),
    "RIFX": (b"RIFX" + GOOD[4:], "big-endian"),
    "only RIFF": (GOOD[:4], "cut short"),
    "half a header": (GOOD[:20], "cut short"),
    "no data chunk": (GOOD[:36], "cut short"),
    "endless other chunk": (GOOD[:12] + b"LIST\xff\xff\xff\xff" + bytes(1000), "cut short"),
    "no format": (b"RIFF\x00\x00\x00\x00WAVEdata\x04\x00\x00\x00abcd", "without a format"),
    "short format": (b"RIFF\x00\x00\x00\x00WAVE" + chunk(b"fmt ", bytes(14)), "16 is the least"),
    "no audio": (wav_bytes(b""), "holds no audio"),
    "no audio after all": (wav_bytes(b"", size=1000), "holds no audio"),
    "MP3 inside": (wav_bytes(bytes(8), code=0x55), "compressed with MP3"),
    "ADPCM inside": (wav_bytes(bytes(8), code=0x02, bits=4), "compressed with Microsoft ADPCM"),
    "MP3 inside, extensible": (wav_bytes(bytes(8), code=0x55, extensible=True), "compressed with MP3"),
    "unknown codec": (wav_bytes(bytes(8), code=0x1234), "compressed with format 0x1234"),
    "zero channels": (wav_bytes(bytes(8), channels=0), "no channels"),
    "zero rate": (wav_bytes(bytes(8), rate=0), "rate of 0 Hz"),
    "absurd rate": (wav_bytes(bytes(8), rate=0xFFFFFFFF // 2), "rate of 2147483647 Hz"),
    "12 bits": (wav_bytes(bytes(8), bits=12, frame_bytes=2), "samples of 12 bits"),
    "wrong frame size": (wav_bytes(bytes(8), frame_bytes=3), "1 × 16 bits take 3 bytes"),
    "extensible cut": (
        GOOD[:12] + chunk(b"fmt ", struct.pack("<HHIIHH", EXTENSIBLE, 1, 8000, 16000, 2, 16)),
        "extensible format is cut short",
    ),
    "other sub-format": (
        wav_bytes(bytes(8), extensible=True).replace(SUBFORMAT_TAIL, bytes(14)),
        "unknown sub-format",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_named(what: str, tmp_path: Path) -> None:
    content, message = BAD[what]
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    with pytest.raises(InvalidAudio, match=message.replace("(", r"\(")):
        WavReader(path)  # which must also close the file: a warning would be an error


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        WavReader(tmp_path / "none.wav")


@given(st.binary(max_size=200))
def test_nothing_but_invalid_audio_comes_of_garbage(garbage: bytes) -> None:
    for content in (garbage, GOOD[:12] + garbage, GOOD[:20] + garbage):
        try:
            read_wav(io.BytesIO(content))
        except InvalidAudio:
            continue


@pytest.mark.parametrize("channels", [1, 2])
def test_the_standard_library_reads_what_is_written(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "out.wav"
    with WavWriter(path, 24000, channels) as writer:
        writer.write(struct.pack("<2h", 1, -2))
        writer.write(struct.pack("<4h", 3, 4, 5, 6))
        assert writer.frames == 6 // channels
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24000, channels, 2)
        assert samples(file.readframes(100)) == [1, -2, 3, 4, 5, 6]


def test_what_the_standard_library_writes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(11025)
        file.writeframes(struct.pack("<3h", 7, 8, 9))
    pcm, format = read_wav(path)
    assert (samples(pcm), format.rate, format.encoding) == ([7, 8, 9], 11025, "pcm16")


class Pipe(io.RawIOBase):
    def __init__(self) -> None:
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        assert isinstance(data, bytes)
        self.content += data
        return len(data)


def test_a_file_that_cannot_seek_is_written_as_a_stream() -> None:
    pipe = Pipe()
    with WavWriter(pipe, 8000) as writer:  # type: ignore[arg-type]
        writer.write(struct.pack("<2h", 1, 2))
    assert not pipe.closed
    reader = WavReader(io.BytesIO(pipe.content))
    assert reader.frames is None
    assert samples(b"".join(reader)) == [1, 2]


def test_what_a_killed_program_leaves_is_readable(tmp_path: Path) -> None:
    file = io.BytesIO()
    writer = WavWriter(file, 8000)
    writer.write(struct.pack("<2h", 1, 2))
    assert read(file.getvalue()) == [1, 2]
    writer.close()


def test_it_writes_where_the_file_stands_and_leaves_it_open() -> None:
    file = io.BytesIO(b"before")
    file.seek(6)
    write_wav(file, struct.pack("<2h", 1, 2), 8000)
    file.write(b"after")
    content = file.getvalue()
    assert content.startswith(b"before")
    assert content.endswith(b"after")
    assert read(content[6:-5]) == [1, 2]


def test_partial_frames_are_refused_and_not_written() -> None:
    writer = WavWriter(io.BytesIO(), 8000, 2)
    with pytest.raises(InvalidAudio, match="frames of 4 bytes"):
        writer.write(b"ab")
    assert writer.frames == 0
    writer.close()
    writer.close()
    with pytest.raises(InvalidInput, match="closed"):
        writer.write(b"abcd")


@pytest.mark.parametrize(("rate", "channels"), [(0, 1), (8000, 0)])
def test_a_writer_needs_a_rate_and_channels(rate: int, channels: int) -> None:
    with pytest.raises(InvalidInput, match="positive"):
        WavWriter(io.BytesIO(), rate, channels)
