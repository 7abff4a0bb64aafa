"""Turns that are found in front of a provider: what of the microphone it gets, and when."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from duologue import messages as m
from duologue.errors import InvalidAudio, InvalidInput, UnsupportedOperation
from duologue.formats import PCM16_16K, AudioFormat
from duologue.middleware.turn_detection import TurnDetection
from duologue.middleware.turn_detection.turns import TurnCutter
from duologue.options import OFF, SessionOptions
from duologue.speech.segmentation import SegmentationSettings
from duologue.testing import OpenAIEmulator, ScriptedClient, ScriptedReply
from duologue.testing.gemini_emulator import GeminiEmulator
from duologue.testing.scripted import SCRIPTED_CAPABILITIES
from duologue.testing.stages import LoudnessDetector
from lasting import Talker, client_of, repeats, said

SEGMENTS = SegmentationSettings(prefix_padding_ms=200, silence_ms=300, min_speech_ms=40)


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _detection(clock: _Clock | None = None, **changes: object) -> TurnDetection:
    return TurnDetection(
        detector=LoudnessDetector,
        segmentation=SEGMENTS,
        clock=clock or _Clock(),
        **changes,  # type: ignore[arg-type]
    )


def _numbered(milliseconds: int, start: int, loud: bool) -> bytes:
    """Audio in which every ms is another: 16 samples that tell which."""
    base = 1_000 if loud else 0
    return b"".join((base + (start + ms) % 400).to_bytes(2, "little") * 16 for ms in range(milliseconds))


STREAM = _numbered(1_000, 0, False) + _numbered(600, 1_000, True) + _numbered(1_000, 1_600, False)


def _cut(sizes: list[int]) -> tuple[list[str], bytes]:
    cutter = TurnCutter(LoudnessDetector(), SEGMENTS, PCM16_16K)
    marks, heard, position = [], b"", 0
    for size in sizes:
        for message in cutter.feed(STREAM[position : position + size]):
            if isinstance(message, m.InputAudioAppend):
                heard += message.audio
            else:
                marks.append(message.type)
        position += size
    return marks, heard


@pytest.mark.parametrize("seed", range(5))
def test_a_turn_has_its_first_moments_and_nothing_is_lost_or_doubled(seed: int) -> None:
    chance = random.Random(seed)
    sizes: list[int] = []
    while sum(sizes) < len(STREAM):
        sizes.append(2 * chance.randrange(1, 2_000))
    marks, heard = _cut(sizes)
    assert marks == ["user_turn_start", "user_turn_end"]
    begins = STREAM.find(heard)
    assert begins == 800 * 32  # the first loud sample is at 1,000 ms, and the padding is 200 ms
    assert 1_900 * 32 <= begins + len(heard) <= 2_100 * 32 + 4_000


def test_silence_is_no_turn() -> None:
    cutter = TurnCutter(LoudnessDetector(), SEGMENTS, PCM16_16K)
    assert [message for _ in range(100) for message in cutter.feed(bytes(3_200))] == []


def test_a_stream_that_pauses_ends_its_turn() -> None:
    cutter = TurnCutter(LoudnessDetector(), SEGMENTS, PCM16_16K)
    assert cutter.feed(_numbered(500, 0, True))
    assert cutter.finish() == [m.UserTurnEnd()]
    assert cutter.finish() == []


LOUD, QUIET = b"\x10\x27" * 320, bytes(640)  # 20 ms of each


@pytest.mark.parametrize("wire", ["openai", "gemini"])
async def test_a_provider_is_given_turns_and_answers_each(wire: str) -> None:
    kind = OpenAIEmulator if wire == "openai" else GeminiEmulator
    emulator = kind(repeats, hears=["one", "two"])
    options = SessionOptions(input_audio=None if wire == "openai" else PCM16_16K)
    async with emulator:
        client = client_of(emulator).with_middleware(_detection())
        async with client, client.create_session(options) as session:
            assert session.options.turn_detection is OFF
            talker = Talker(session)
            for _turn in range(2):
                for chunk in [QUIET] * 20 + [LOUD] * 30 + [QUIET] * 30:
                    await session.send_audio(chunk)
                told = await talker.listen()
                kinds = [message.type for message in told]
                assert kinds.index("input_speech_started") < kinds.index("input_speech_stopped")
                assert isinstance(told[-1], m.TurnDone)
    assert len([text for who, text in said(talker.conversation.items) if who == "assistant"]) == 2


async def test_a_user_who_speaks_stops_the_answer() -> None:
    client = ScriptedClient([ScriptedReply.speech("A long story.", 5_000).held(), "Yes?"], clock=_Clock())
    layered = client.with_middleware(_detection())
    async with layered.create_session(SessionOptions(input_audio=PCM16_16K)) as session:
        await session.respond()
        async for message in session:
            if isinstance(message, m.OutputAudioDelta):
                break
        for _ in range(10):
            await session.send_audio(LOUD)
        async for message in session:
            if isinstance(message, m.Interrupted):
                break
    sent = [message.type for message in client.link.sent]
    assert "response_cancel" in sent or "item_truncate" in sent or "item_delete" in sent
    assert "user_turn_start" in sent


async def test_a_microphone_beside_a_loudspeaker_is_closed_while_it_plays() -> None:
    clock = _Clock()
    client = ScriptedClient([ScriptedReply.speech("Hello.", 1_000), "Yes?"], clock=clock)
    layered = client.with_middleware(_detection(clock, echo_gate=True))
    async with layered.create_session(SessionOptions(input_audio=PCM16_16K)) as session:
        await session.respond()
        async for message in session:
            if isinstance(message, m.TurnDone):
                break
        for moment in (0.0, 0.9, 1.2):  # the last within the tail
            clock.now = moment
            for _ in range(10):
                await session.send_audio(LOUD)
        assert not client.link.sent_of(m.UserTurnStart)
        clock.now = 1.6
        for _ in range(10):
            await session.send_audio(LOUD)
        assert client.link.sent_of(m.UserTurnStart)


async def test_where_turns_cannot_be_marked_it_is_said() -> None:
    client = ScriptedClient(capabilities=replace(SCRIPTED_CAPABILITIES, manual_turns=False))
    with pytest.raises(UnsupportedOperation, match="turns"):
        await client.with_middleware(_detection()).create_session()


async def test_other_audio_is_refused() -> None:
    client = ScriptedClient().with_middleware(_detection())
    async with client.create_session(SessionOptions(input_audio=PCM16_16K)) as session:
        with pytest.raises(InvalidAudio):
            await session.send_audio(b"\0")
        with pytest.raises(InvalidAudio):
            await session.send_audio(b"\0\0", AudioFormat(rate=8_000))


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(InvalidInput):
        TurnDetection(echo_tail=-1)
