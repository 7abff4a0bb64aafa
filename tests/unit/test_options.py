"""Options: what is stated, what is merged, what is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue import messages as m
from duologue.errors import InvalidInput
from duologue.formats import PCM16_16K, PCM16_24K
from duologue.options import (
    OFF,
    NoiseReduction,
    ServerTurnDetection,
    SessionOptions,
    Transcription,
)
from duologue.tools import FunctionTool, McpServerTool, tool
from structs import JSON, NAMES


class ProviderOptions(SessionOptions, frozen=True, kw_only=True, omit_defaults=True):
    """A provider's own."""

    tracing: str | None = None


class OtherOptions(SessionOptions, frozen=True, kw_only=True, omit_defaults=True):
    """Another provider's."""

    region: str | None = None


SOME_OPTIONS = st.builds(
    SessionOptions,
    voice=st.sampled_from([None, "", "a"]),
    parallel_tool_calls=st.sampled_from([None, False, True]),
    turn_detection=st.sampled_from([None, OFF, ServerTurnDetection(), ServerTurnDetection(silence_ms=1)]),
    tools=st.sampled_from([None, (), (FunctionTool(name="f"),)]),
    metadata=st.none() | st.dictionaries(NAMES, st.text(max_size=3), max_size=2),
    extra=st.dictionaries(st.sampled_from("abc"), JSON, max_size=3),
)
some = settings(max_examples=60, deadline=None, derandomize=True)


def test_that_nothing_is_stated_at_first() -> None:
    assert SessionOptions().stated() == ()
    assert SessionOptions(extra={}).stated() == ()


@pytest.mark.parametrize(
    "stated",
    [
        {"turn_detection": OFF},
        {"transcription": OFF},
        {"tools": ()},
        {"history": ()},
        {"instructions": ""},
        {"parallel_tool_calls": False},
        {"speed": 0.0},
        {"metadata": {}},
        {"extra": {"tracing": "auto"}},
        {"max_output_tokens": "unlimited"},
    ],
)
def test_that_off_and_empty_are_stated(stated: dict[str, Any]) -> None:
    assert SessionOptions(**stated).stated() == tuple(stated)


def test_that_what_is_stated_wins_and_none_changes_nothing() -> None:
    below = SessionOptions(instructions="Be brief.", voice="a", turn_detection=ServerTurnDetection(silence_ms=300))
    merged = below.merged(SessionOptions(voice="b", turn_detection=OFF, tools=()))
    assert merged == SessionOptions(instructions="Be brief.", voice="b", turn_detection=OFF, tools=())
    assert below.merged(None) is below
    assert below.merged(SessionOptions()) == below


def test_that_a_value_is_replaced_as_a_whole() -> None:
    below = SessionOptions(turn_detection=ServerTurnDetection(silence_ms=300, threshold=0.4))
    merged = below.merged(SessionOptions(turn_detection=ServerTurnDetection(silence_ms=900)))
    assert merged.turn_detection == ServerTurnDetection(silence_ms=900)


def test_that_extra_is_merged_key_by_key() -> None:
    below = SessionOptions(extra={"a": 1, "b": {"x": 1}})
    assert below.merged(SessionOptions(extra={"b": 2, "c": 3})).extra == {"a": 1, "b": 2, "c": 3}
    assert below.extra == {"a": 1, "b": {"x": 1}}


def test_that_merged_options_share_no_extra() -> None:
    over = SessionOptions(extra={"a": 1})
    merged = SessionOptions().merged(over)
    over.extra["b"] = 2
    assert merged.extra == {"a": 1}


def test_that_the_last_raw_factory_holds() -> None:
    def first(session: dict[str, Any]) -> dict[str, Any]:
        return session

    def second(session: dict[str, Any]) -> dict[str, Any]:
        return {**session, "tracing": "auto"}

    below = SessionOptions(raw_factory=first)
    assert below.merged(SessionOptions(voice="a")).raw_factory is first
    assert below.merged(SessionOptions(raw_factory=second)).raw_factory is second


@some
@given(SOME_OPTIONS, SOME_OPTIONS, SOME_OPTIONS)
def test_that_merging_is_associative(one: SessionOptions, two: SessionOptions, three: SessionOptions) -> None:
    assert one.merged(two).merged(three) == one.merged(two.merged(three))


@some
@given(SOME_OPTIONS, SOME_OPTIONS)
def test_that_merged_options_state_what_either_states(below: SessionOptions, over: SessionOptions) -> None:
    merged = below.merged(over)
    assert set(merged.stated()) == {*below.stated(), *over.stated()}
    for name in set(over.stated()) - {"extra"}:
        assert getattr(merged, name) == getattr(over, name)


def test_that_a_providers_options_survive_merging() -> None:
    own = ProviderOptions(tracing="auto", voice="a")
    assert own.merged(SessionOptions(voice="b")) == ProviderOptions(tracing="auto", voice="b")
    assert SessionOptions(voice="a", speed=1.2).merged(own) == ProviderOptions(tracing="auto", voice="a", speed=1.2)
    assert own.merged(ProviderOptions(tracing="off")).tracing == "off"
    assert own.merged(OtherOptions(voice="c")) == ProviderOptions(tracing="auto", voice="c")


def test_that_options_of_two_providers_do_not_mix() -> None:
    with pytest.raises(InvalidInput, match="ProviderOptions has no region; use OtherOptions for both"):
        ProviderOptions(tracing="auto").merged(OtherOptions(region="eu"))


def test_that_sequences_become_tuples() -> None:
    @tool
    def now() -> str:
        """The time."""
        return ""

    options = SessionOptions(
        tools=[now],  # type: ignore[arg-type]
        history=[m.MessageItem.user("hi")],  # type: ignore[arg-type]
        output_modalities=["text"],  # type: ignore[arg-type]
        include=(name for name in ["a"]),  # type: ignore[arg-type]
        transcription=Transcription(keywords=["Oslo"], languages=["en", "no"]),  # type: ignore[arg-type]
    )
    assert options.tools == (now,)
    assert options.history == (m.MessageItem.user("hi"),)
    assert options.output_modalities == ("text",)
    assert options.include == ("a",)
    assert options.transcription == Transcription(keywords=("Oslo",), languages=("en", "no"))
    request = m.ResponseCreate(tools=[now], items=[], output_modalities=["audio"])  # type: ignore[arg-type]
    assert (request.tools, request.items, request.output_modalities) == ((now,), (), ("audio",))


@pytest.mark.parametrize(
    ("field", "value"),
    [("tools", FunctionTool(name="now")), ("output_modalities", "audio"), ("include", "a"), ("history", 1)],
)
def test_that_one_thing_is_no_sequence(field: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=f"{field} is a sequence"):
        SessionOptions(**{field: value})  # type: ignore[arg-type]


def test_that_two_tools_of_one_name_are_refused() -> None:
    twins = (FunctionTool(name="now"), FunctionTool(name="then"), FunctionTool(name="now", description="again"))
    with pytest.raises(InvalidInput, match="Two tools have the same name: now"):
        SessionOptions(tools=twins)


def test_that_a_function_is_no_tool_until_it_is_made_one() -> None:
    with pytest.raises(InvalidInput, match=r"not function\. Put @tool above the function"):
        SessionOptions(tools=(lambda: None,))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "says"),
    [({"max_output_tokens": 0}, "at least 1, not 0"), ({"output_modalities": ()}, "not empty")],
)
def test_that_nonsense_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        SessionOptions(**options)


def test_that_a_tool_is_found_by_its_name() -> None:
    now = FunctionTool(name="now")
    mail = McpServerTool(server_label="mail", connector_id="connector_mail")
    options = SessionOptions(tools=(mail, now))
    assert options.function("now") is now
    assert options.function("mail") is None
    assert SessionOptions().function("now") is None


def test_that_options_come_back_from_json() -> None:
    options = SessionOptions(
        turn_detection=OFF,
        transcription=Transcription(language="en"),
        noise_reduction=NoiseReduction(kind="far_field"),
        input_audio=PCM16_16K,
        output_audio=PCM16_24K,
        tools=(FunctionTool(name="now"),),
    )
    assert msgspec.json.decode(msgspec.json.encode(options), type=SessionOptions) == options
    assert repr(OFF) == "OFF"
