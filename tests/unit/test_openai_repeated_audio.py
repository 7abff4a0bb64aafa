"""Audio that is read by the shape of its frame is what parsing the frame would have given."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue import messages as m
from duologue.link import ProviderMetadata
from duologue.options import SessionOptions
from duologue.protocols.openai import OPENAI
from duologue.runtime import ProtocolLink
from duologue.session import RealtimeSession
from duologue.transports import MemoryTransport
from openai_wire import opened
from protocol_reading import take

AUDIO = base64.b64encode(bytes(range(256)) * 4).decode()
PLACE: dict[str, Any] = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 1}
SEPARATORS = [(",", ":"), (", ", ": "), (" , ", " : ")]


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {"type": "response.output_audio.delta", "event_id": f"event_{number}", **PLACE, "delta": AUDIO, **fields}


class Counted:
    """A protocol in which it shows how many frames were parsed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from duologue.protocols.openai import client_role

        self.parsed = 0
        decode = client_role._decode

        def counted(frame: str | bytes) -> Any:
            self.parsed += 1
            return decode(frame)

        monkeypatch.setattr(client_role, "_decode", counted)
        self.protocol = opened()

    def read(self, data: dict[str, Any], separators: tuple[str, str] = (",", ":")) -> m.OutputAudioDelta:
        (message,) = take(self.protocol, json.dumps(data, separators=separators))
        assert isinstance(message, m.OutputAudioDelta)
        return message


@pytest.mark.parametrize("separators", SEPARATORS)
@pytest.mark.parametrize("more", [{}, {"obfuscation": "same"}], ids=["alone", "with more behind"])
def test_that_only_the_first_frame_of_a_part_is_parsed(
    monkeypatch: pytest.MonkeyPatch, separators: tuple[str, str], more: dict[str, Any]
) -> None:
    counted = Counted(monkeypatch)
    first = counted.read(event(1, **more), separators)
    before = counted.parsed
    other = base64.b64encode(b"\x01\x02" * 900).decode()
    second = counted.read(event(2, delta=other, **more), separators)
    assert counted.parsed == before
    assert (first.id, first.audio) == ("event_1", base64.b64decode(AUDIO))
    assert second == m.OutputAudioDelta(
        id="event_2",
        **PLACE,
        audio=base64.b64decode(other),
        format=first.format,
    )
    assert counted.read(event(3, item_id="another", **more), separators).item_id == "another"
    assert counted.parsed > before


@pytest.mark.parametrize(
    "changed",
    [
        {"event_id": 'a"b_12'},
        {"event_id": "a\\n_123"},
        {"event_id": "longer_than_that"},
        {"delta": AUDIO.replace("/", "_")},
        {"delta": AUDIO[:-1] + "\n"},
        {"obfuscation": "x"},
        {"response_id": "R"},
        {"output_index": 1},
        {"event_id": None},
    ],
    ids=str,
)
def test_that_another_frame_is_parsed(monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]) -> None:
    counted = Counted(monkeypatch)
    counted.read(event(1))
    before = counted.parsed
    take(counted.protocol, json.dumps(event(2, **changed), separators=(",", ":")))
    assert counted.parsed > before


def test_that_audio_of_a_cancelled_response_stays_away() -> None:
    protocol = opened()
    frame = json.dumps(event(1), separators=(",", ":"))
    take(protocol, json.dumps({"type": "response.created", "event_id": "e", "response": {"id": "r"}}))
    assert take(protocol, frame)
    protocol.send(m.ResponseCancel(id="c", response_id="r"))
    assert take(protocol, frame.replace("event_1", "event_2")) == []


def audio_frame(audio: bytes) -> str:
    """A frame of audio."""
    return json.dumps(event(7, delta=base64.b64encode(audio).decode()), separators=(",", ":"))


@pytest.mark.parametrize("size", [1_800, 1_801, 1_802])
async def test_that_a_message_does_not_hold_its_frame_and_tells_it(size: int) -> None:
    metadata = ProviderMetadata(provider="openai")
    link = ProtocolLink(opened(), MemoryTransport(), SessionOptions(), OPENAI.capabilities, metadata)
    session = RealtimeSession(link, on_end=lambda session: None)
    frame = audio_frame(bytes(size))
    for _ in range(11):
        if not link.piece_received(frame):
            link.frame_received(frame)
    padded = size % 3 != 0
    assert (session._inbox.size > 11 * len(frame)) == padded
    _, *repeated = [await anext(session) for _ in range(11)]
    for message in repeated:
        assert isinstance(message, m.OutputAudioDelta)
        assert message.audio == bytes(size)
        assert message.meta is not None
        assert message.meta.frame == frame
        assert message.raw_representation == json.loads(frame)
    await session.aclose()


def test_that_a_frame_is_told_as_it_was_though_another_would_mean_the_same() -> None:
    protocol = opened()
    take(protocol, json.dumps(event(1), separators=(",", ":")))
    assert AUDIO.endswith("w==")
    for last in "wxyz":  # four bits that mean nothing
        (message,) = take(protocol, json.dumps(event(2, delta=f"{AUDIO[:-3]}{last}=="), separators=(",", ":")))
        assert message.audio == base64.b64decode(AUDIO)


DELTAS = [AUDIO, AUDIO[4:], AUDIO[:-4], AUDIO[:-3] + "x==", "", "-_-_" * 300, "x", 'AA"AA' * 300, "\n"]
FIELDS = st.permutations(["type", "event_id", *PLACE, "delta", "obfuscation", "extra"])
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "event_id": st.one_of(st.sampled_from(["event_2", "e", 'a"b', "\\"]), st.none(), st.text(max_size=7)),
        "delta": st.sampled_from(DELTAS),
        "obfuscation": st.sampled_from(["pad", "other", 'p"d']),
        "extra": st.one_of(st.none(), st.just({"delta": AUDIO}), st.sampled_from(["delta", '"delta":"', "event_1"])),
        "item_id": st.sampled_from(["i", "j"]),
        "content_index": st.sampled_from([1, "1", None]),
    },
)


@settings(derandomize=True, max_examples=400, deadline=None)
@given(FIELDS, VALUES, VALUES, st.sampled_from(SEPARATORS), st.booleans())
def test_that_the_way_does_not_matter(
    order: list[str], first: dict[str, Any], second: dict[str, Any], separators: tuple[str, str], raw: bool
) -> None:
    def frame(number: int, changes: dict[str, Any]) -> str:
        data = {**event(number), **changes}
        return json.dumps({name: data[name] for name in order if name in data}, separators=separators, ensure_ascii=raw)

    learned, fresh = opened(), opened()
    take(learned, frame(1, first))
    assert take(learned, frame(2, second)) == fresh.receive(frame(2, second))


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    st.integers(0, 1_600), st.sampled_from(['"', "\\", "\n", "{", "}", "A", "é", "\x00", '","delta":"']), st.booleans()
)
def test_that_damage_is_seen(place: int, piece: str, insert: bool) -> None:
    whole = json.dumps(event(2), separators=(",", ":"))
    damaged = whole[:place] + piece + whole[place + (0 if insert else len(piece)) :]
    learned, fresh = opened(), opened()
    take(learned, json.dumps(event(1), separators=(",", ":")))
    assert take(learned, damaged) == fresh.receive(damaged)


def test_that_what_is_around_the_audio_does_not_overlap() -> None:
    """The quote that ends what is before it is not the one that begins what is behind."""
    long = {"item_id": "i" * 700}
    frame = json.dumps(event(2, delta="", **long), separators=(",", ":")).replace('"delta":""', '"delta":"')
    learned, fresh = opened(), opened()
    take(learned, json.dumps(event(1, **long), separators=(",", ":")))
    assert take(learned, frame) == fresh.receive(frame)
