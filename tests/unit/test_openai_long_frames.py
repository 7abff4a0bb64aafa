"""Long frames mean what they would mean if they were parsed as a whole."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.protocols.openai import server_events as wire
from duologue.protocols.openai.client_role import _decode
from duologue.protocols.openai.long_frames import decode_long

AUDIO = "UklGRg" * 800
PLACE = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}


def event(**fields: Any) -> dict[str, Any]:
    return {"type": "response.output_audio.delta", "event_id": "e", **PLACE, **fields}


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" , ", " : ")])
def test_that_audio_comes_out_whole(separators: tuple[str, str]) -> None:
    decoded = []

    def decode(frame: str | bytes) -> Any:
        decoded.append(len(frame))
        return _decode(frame)

    found = decode_long(json.dumps(event(delta=AUDIO), separators=separators), decode)
    assert found == wire.AudioDelta(event_id="e", **PLACE, delta=AUDIO)  # type: ignore[arg-type]
    assert separators[1] == " : " or decoded[0] < 300  # the parser has not seen the audio


PIECES: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(["delta", "item", "item_id", "type", "obfuscation", 'a"delta":"b']),
    st.one_of(
        st.just(AUDIO),
        st.text(max_size=5),
        st.none(),
        st.integers(),
        st.just("response.output_audio.delta"),
        st.fixed_dictionaries({"delta": st.sampled_from(["x", "", AUDIO])}),
    ),
    max_size=5,
)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(PIECES, PIECES, st.booleans(), st.sampled_from([(",", ":"), (", ", ": ")]))
def test_that_the_way_does_not_matter(
    before: dict[str, Any], after: dict[str, Any], audio: bool, separators: tuple[str, str]
) -> None:
    data = {**before, **({"type": "response.output_audio.delta"} if audio else {}), **after}
    frame = json.dumps(data, separators=separators)
    try:
        whole = _decode(frame)
    except msgspec.ValidationError:
        with pytest.raises(msgspec.ValidationError):
            decode_long(frame, _decode)
    else:
        assert decode_long(frame, _decode) == whole
