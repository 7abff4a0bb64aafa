from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.audio import Heard, PlayoutBuffer
from duologue.errors import InvalidAudio
from duologue.formats import PCM16_8K, PCMU

MS = 16  # bytes a millisecond at 8 kHz, s16le


def test_what_is_pushed_is_rendered_and_then_silence() -> None:
    buffer = PlayoutBuffer(PCM16_8K)
    buffer.push(b"aabb", "a", 0)
    buffer.push(b"cc", "a", 0)
    assert buffer.queued_bytes == 6
    assert buffer.render(2) == b"aa"
    assert buffer.render(8) == b"bbcc" + bytes(4)
    assert buffer.render(0) == b""
    assert (buffer.queued_bytes, buffer.rendered_bytes) == (0, 6)


def test_silence_is_that_of_the_encoding() -> None:
    assert PlayoutBuffer(PCMU).render(3) == b"\xff\xff\xff"


def test_the_position_follows_what_is_rendered() -> None:
    buffer = PlayoutBuffer(PCM16_8K)
    assert buffer.heard is None
    buffer.push(bytes(100 * MS), "a", 2)
    assert buffer.heard == Heard("a", 2, played_ms=0, finished=False)
    buffer.render(40 * MS)
    assert buffer.heard == Heard("a", 2, played_ms=40, finished=False)
    buffer.render(100 * MS)
    assert buffer.heard == Heard("a", 2, played_ms=100, finished=True)
    assert buffer.queued_ms == 0


def test_audio_that_comes_late_counts_on_and_silence_does_not_count() -> None:
    buffer = PlayoutBuffer(PCM16_8K)
    buffer.push(bytes(10 * MS), "a", 0)
    buffer.render(500 * MS)
    buffer.push(bytes(10 * MS), "a", 0)
    assert buffer.heard == Heard("a", 0, played_ms=10, finished=False)
    buffer.render(5 * MS)
    assert buffer.heard == Heard("a", 0, played_ms=15, finished=False)


def test_items_play_one_after_another() -> None:
    buffer = PlayoutBuffer(PCM16_8K)
    buffer.push(bytes(10 * MS), "a", 0)
    buffer.push(bytes(10 * MS), "a", 1)
    buffer.push(bytes(10 * MS), "b", 0)
    buffer.render(10 * MS)
    assert buffer.heard == Heard("a", 1, played_ms=0, finished=False)
    buffer.render(15 * MS)
    assert buffer.heard == Heard("b", 0, played_ms=5, finished=False)


def test_clear_drops_what_is_queued_and_says_what_was_heard() -> None:
    buffer = PlayoutBuffer(PCM16_8K)
    buffer.push(bytes(100 * MS), "a", 0)
    buffer.push(bytes(100 * MS), "b", 0)
    buffer.render(30 * MS)
    assert buffer.clear() == Heard("a", 0, played_ms=30, finished=False)
    assert buffer.heard is None
    assert buffer.clear() is None
    assert buffer.render(4) == bytes(4)


def test_clear_after_the_end_says_that_all_was_heard() -> None:
    buffer = PlayoutBuffer(PCM16_8K)
    buffer.push(bytes(10 * MS), "a", 0)
    buffer.render(20 * MS)
    assert buffer.clear() == Heard("a", 0, played_ms=10, finished=True)


def test_clear_before_the_start_says_that_nothing_was_heard() -> None:
    buffer = PlayoutBuffer(PCM16_8K)
    buffer.push(bytes(10 * MS), "a", 0)
    assert buffer.clear() == Heard("a", 0, played_ms=0, finished=False)


def test_half_a_sample_waits_for_its_rest_and_never_shifts_the_next_item() -> None:
    buffer = PlayoutBuffer(PCM16_8K)
    buffer.push(b"aab", "a", 0)
    buffer.push(b"bcc", "a", 0)
    buffer.push(b"d", "a", 0)
    buffer.push(b"ee", "b", 0)
    assert buffer.render(10) == b"aabbccee" + bytes(2)
    buffer.push(b"f", "b", 0)
    buffer.clear()
    buffer.push(b"gg", "b", 0)
    assert buffer.render(2) == b"gg"


def test_whole_samples_are_rendered() -> None:
    buffer = PlayoutBuffer(PCM16_8K)
    buffer.push(b"aa", "a", 0)
    with pytest.raises(InvalidAudio, match="3 bytes"):
        buffer.render(3)
    assert buffer.render(2) == b"aa"


@given(
    pieces=st.lists(st.tuples(st.sampled_from("abc"), st.binary(max_size=9)), max_size=12),
    sizes=st.lists(st.integers(0, 10), max_size=12),
)
def test_cutting_changes_nothing(pieces: list[tuple[str, bytes]], sizes: list[int]) -> None:
    buffer, rendered = PlayoutBuffer(PCMU), b""
    for item_id, audio in pieces:
        buffer.push(audio, item_id, 0)
    for size in sizes:
        rendered += buffer.render(size)
    everything = b"".join(audio for _, audio in pieces)
    total = sum(sizes)
    assert rendered == everything[:total] + b"\xff" * max(0, total - len(everything))
    assert buffer.queued_bytes == max(0, len(everything) - total)
    assert buffer.rendered_bytes == min(total, len(everything))
