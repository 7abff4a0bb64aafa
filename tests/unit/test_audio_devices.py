from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from duologue.audio import Heard, MicrophoneSource, SpeakerSink, decode_g711, list_devices, resample
from duologue.errors import DeviceUnavailable, InvalidInput, MissingDependency
from duologue.formats import PCM16_24K, PCMU

AUDIO = random.Random(4).randbytes(48_000)  # 1 s at 24 kHz
CHUNK = 960  # bytes in 20 ms


class PortAudioError(Exception):
    pass


class FakeStream:
    """A stream of `sounddevice`; the test plays PortAudio's thread."""

    latency = 0.0

    def __init__(self, sound: FakeSound, options: dict[str, Any]) -> None:
        self.options = options
        self.started = False
        self.closed = False
        self._sound = sound
        if sound.open_error:
            raise sound.open_error
        sound.streams.append(self)

    def start(self) -> None:
        if self._sound.start_error:
            raise self._sound.start_error
        self.started = True

    def close(self) -> None:
        self.closed = True

    def record(self, audio: bytes) -> None:
        self.options["callback"](memoryview(audio), len(audio) // 2, None, None)

    def render(self, size: int) -> bytes:
        buffer = bytearray(b"?" * size)
        self.options["callback"](memoryview(buffer), size // 2, None, None)
        return bytes(buffer)

    def finish(self) -> None:
        self.options["finished_callback"]()


class FakeSound(SimpleNamespace):
    """The module `sounddevice`, with a microphone and a speaker."""

    PortAudioError = PortAudioError

    def __init__(self) -> None:
        super().__init__()
        self.devices = [
            {"name": "Mic", "max_input_channels": 1, "max_output_channels": 0, "default_samplerate": 48000.0},
            {"name": "Speaker", "max_input_channels": 0, "max_output_channels": 2, "default_samplerate": 44100.0},
        ]
        self.default = SimpleNamespace(device=(0, 1))
        self.supported_rates = {8000, 24000, 44100, 48000}
        self.open_error: Exception | None = None
        self.start_error: Exception | None = None
        self.streams: list[FakeStream] = []
        self.check_output_settings = self.check_input_settings

    def query_devices(self, device: int | str | None = None, kind: str | None = None) -> Any:
        if kind is None:
            return self.devices
        if device == "nothing":
            raise ValueError("No input device matching 'nothing'")
        found = [d for d in self.devices if int(str(d[f"max_{kind}_channels"]))]
        if not found:
            raise PortAudioError("Error querying device -1")
        return found[0]

    def check_input_settings(self, *, device: object, channels: int, dtype: str, samplerate: int) -> None:
        assert (channels, dtype) == (1, "int16")
        if samplerate not in self.supported_rates:
            raise PortAudioError("Invalid sample rate [PaErrorCode -9997]")

    def RawInputStream(self, **options: Any) -> FakeStream:  # noqa: N802
        return FakeStream(self, options)

    def RawOutputStream(self, **options: Any) -> FakeStream:  # noqa: N802
        return FakeStream(self, options)


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> FakeSound:
    fake = FakeSound()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


Open = Callable[[], object]
OPENERS: list[Open] = [list_devices, MicrophoneSource, SpeakerSink]


@pytest.mark.parametrize("open_it", OPENERS)
def test_a_missing_package_names_the_extra(open_it: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingDependency) as caught:
        open_it()
    assert caught.value.remedy == 'pip install "duologue[audio]"'


@pytest.mark.parametrize("open_it", OPENERS)
def test_a_missing_portaudio_names_the_system_package(open_it: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        @staticmethod
        def find_spec(name: str, path: object, target: object = None) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    with pytest.raises(MissingDependency, match=r"PortAudio library is not installed\..*libportaudio2"):
        open_it()


def test_devices_are_listed(sound: FakeSound) -> None:
    microphone, speaker = list_devices()
    assert (microphone.index, microphone.name, microphone.input_channels) == (0, "Mic", 1)
    assert microphone.is_default_input
    assert not microphone.is_default_output
    assert (speaker.output_channels, speaker.default_rate, speaker.is_default_output) == (2, 44100, True)
    sound.devices = []
    sound.default.device = (-1, -1)
    assert list_devices() == []


def test_without_devices_it_says_so(sound: FakeSound) -> None:
    sound.devices = []
    with pytest.raises(DeviceUnavailable, match=r"The microphone is not available: this machine has none\. .*doctor"):
        MicrophoneSource()
    with pytest.raises(DeviceUnavailable, match="The speaker is not available: this machine has none"):
        SpeakerSink()


def test_an_unknown_device_is_named(sound: FakeSound) -> None:
    with pytest.raises(DeviceUnavailable, match="microphone 'nothing' is not available: No input device"):
        MicrophoneSource("nothing")


def test_a_device_that_does_not_open_or_start_is_reported(sound: FakeSound) -> None:
    sound.start_error = PortAudioError("Device busy")
    with pytest.raises(DeviceUnavailable, match="Device busy"):
        SpeakerSink()
    assert sound.streams[0].closed
    sound.open_error = PortAudioError("Invalid number of channels")
    with pytest.raises(DeviceUnavailable, match="Invalid number of channels"):
        SpeakerSink()


async def test_the_microphone_gives_what_it_records(sound: FakeSound) -> None:
    async with MicrophoneSource(3, PCM16_24K) as source:
        (stream,) = sound.streams
        assert not stream.started
        assert stream.options["device"] == 3
        assert (stream.options["samplerate"], stream.options["blocksize"]) == (24000, 480)
        assert stream.options["latency"] >= 0.04
        reading = asyncio.create_task(anext(source))
        await asyncio.sleep(0)
        assert stream.started
        await asyncio.to_thread(stream.record, AUDIO[:CHUNK])
        assert await reading == AUDIO[:CHUNK]
        stream.record(AUDIO[CHUNK : 2 * CHUNK])
        stream.record(AUDIO[2 * CHUNK : 3 * CHUNK])
        assert await anext(source) + await anext(source) == AUDIO[CHUNK : 3 * CHUNK]
    assert stream.closed


async def test_the_microphone_is_converted_if_it_does_not_take_the_rate(sound: FakeSound) -> None:
    sound.supported_rates = {48000}
    source = MicrophoneSource(format=PCM16_24K)
    (stream,) = sound.streams
    assert (stream.options["samplerate"], stream.options["blocksize"]) == (48000, 960)
    reading = asyncio.create_task(anext(source))
    await asyncio.sleep(0)
    stream.record(AUDIO[:20])  # too short to give anything
    stream.record(AUDIO[20:1920])
    stream.record(AUDIO[1920:3840])
    got = await reading + await anext(source)
    assert got == resample(AUDIO[:3840], 48000, 24000)[: len(got)]
    assert len(got) >= 2 * CHUNK - 2 * 48
    await source.aclose()


async def test_closing_the_microphone_ends_a_read_that_waits(sound: FakeSound) -> None:
    source = MicrophoneSource()
    reading = asyncio.create_task(anext(source, b"the end"))
    await asyncio.sleep(0)
    await source.aclose()
    assert await reading == b"the end"
    sound.streams[0].record(AUDIO[:CHUNK])
    assert [chunk async for chunk in source] == []
    await source.aclose()


async def test_a_cancelled_read_of_the_microphone_loses_nothing(sound: FakeSound) -> None:
    source = MicrophoneSource()
    reading = asyncio.create_task(anext(source))
    await asyncio.sleep(0)
    sound.streams[0].record(AUDIO[:CHUNK])
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await anext(source) == AUDIO[:CHUNK]
    await source.aclose()


async def test_a_microphone_that_goes_away_is_reported_after_its_last_audio(sound: FakeSound) -> None:
    source = MicrophoneSource()
    reading = asyncio.create_task(anext(source))
    await asyncio.sleep(0)
    sound.streams[0].record(AUDIO[:CHUNK])
    sound.streams[0].finish()
    assert await reading == AUDIO[:CHUNK]
    with pytest.raises(DeviceUnavailable, match="stopped while recording"):
        await anext(source)
    await source.aclose()


async def test_a_microphone_that_does_not_start_is_reported_each_time(sound: FakeSound) -> None:
    sound.start_error = PortAudioError("Device busy")
    source = MicrophoneSource()
    for _ in range(2):
        with pytest.raises(DeviceUnavailable):
            await anext(source)
    await source.aclose()


async def test_a_late_reader_loses_the_oldest_audio_and_knows(
    sound: FakeSound, caplog: pytest.LogCaptureFixture
) -> None:
    source = MicrophoneSource()
    reading = asyncio.create_task(anext(source))
    await asyncio.sleep(0)
    for index in range(503):
        sound.streams[0].record(index.to_bytes(2, "little") * 480)
    await asyncio.sleep(0)
    assert (await reading)[:2] == (3).to_bytes(2, "little")
    assert source.dropped_ms == pytest.approx(60)
    assert [record.message for record in caplog.records] == [
        "The microphone's reader is 10 s late; the oldest audio is dropped."
    ]
    await source.aclose()


async def test_the_speaker_plays_what_is_queued(sound: FakeSound) -> None:
    async with SpeakerSink(2) as sink:
        (stream,) = sound.streams
        assert stream.started
        assert (stream.options["device"], stream.options["samplerate"]) == (2, 24000)
        assert stream.options["latency"] >= 0.04
        sink.play(AUDIO[:2000], "a", 0)
        assert stream.render(480) == AUDIO[:480]
        assert sink.heard == Heard("a", 0, played_ms=10, finished=False)
        assert stream.render(1920) == AUDIO[480:2000] + bytes(400)
        assert sink.heard == Heard("a", 0, played_ms=2000 / 48, finished=True)
    assert stream.closed


async def test_stopping_the_speaker_drops_what_is_queued(sound: FakeSound) -> None:
    sink = SpeakerSink()
    sink.play(AUDIO, "a", 0)
    sound.streams[0].render(4800)
    assert sink.stop() == Heard("a", 0, played_ms=100, finished=False)
    assert sound.streams[0].render(480) == bytes(480)
    await sink.aclose()
    await sink.aclose()
    with pytest.raises(InvalidInput, match="closed"):
        sink.play(AUDIO, "a", 0)


async def test_the_speaker_is_converted_if_it_does_not_take_the_rate(sound: FakeSound) -> None:
    sound.supported_rates = {44100}
    sink = SpeakerSink(format=PCM16_24K)
    (stream,) = sound.streams
    assert stream.options["samplerate"] == 44100
    sink.play(AUDIO, "a", 0)
    rendered = b"".join(stream.render(size) for size in [882, 2, 1764, 100] * 20)
    assert rendered == resample(AUDIO, 24000, 44100)[: len(rendered)]
    heard = sink.heard
    assert heard is not None
    assert 0 <= heard.played_ms - len(rendered) / 88.2 <= 2 + 1  # the resampler's 2 ms, and the rounding
    await sink.aclose()


async def test_the_speaker_takes_telephone_audio(sound: FakeSound) -> None:
    sink = SpeakerSink(format=PCMU)
    sink.play(AUDIO[:100], "a", 0)
    assert sound.streams[0].render(240) == decode_g711(AUDIO[:100] + b"\xff" * 20, "pcmu")
    await sink.aclose()


async def test_draining_the_speaker_waits_for_the_end(sound: FakeSound) -> None:
    sink = SpeakerSink()
    await sink.drained()
    sink.play(AUDIO[:96], "a", 0)
    draining = asyncio.create_task(sink.drained())
    await asyncio.sleep(0)
    assert not draining.done()
    sound.streams[0].render(96)
    await draining
    await sink.aclose()


async def test_a_speaker_that_goes_away_is_reported(sound: FakeSound) -> None:
    sink = SpeakerSink()
    sink.play(AUDIO, "a", 0)
    sound.streams[0].finish()
    with pytest.raises(DeviceUnavailable, match="stopped while playing"):
        sink.play(AUDIO, "a", 0)
    with pytest.raises(DeviceUnavailable, match="stopped while playing"):
        await sink.drained()
    await sink.aclose()
