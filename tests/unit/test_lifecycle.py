"""The life of a response: the messages of a builder are always in the documented order."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue import messages as m
from duologue.formats import PCM16_24K, AudioFormat
from duologue.lifecycle import ResponseBuilder, new_id
from duologue.messages.base import ServerMessage


def ids() -> Callable[[str], str]:
    numbers = itertools.count(1)
    return lambda kind: f"{kind}_{next(numbers)}"


def make(
    output_audio: AudioFormat | None = PCM16_24K, request: m.ResponseCreate | None = None, **more: str
) -> ResponseBuilder:
    return ResponseBuilder("r1", output_audio=output_audio, request=request, make_id=ids(), **more)  # type: ignore[arg-type]


def types(messages: list[ServerMessage]) -> list[str]:
    return [message.type for message in messages]


def test_the_order_of_a_spoken_response() -> None:
    builder = make(conversation_id="conv", voice="a", previous_item_id="before")
    usage = m.Usage(output_tokens=3)
    out = [
        *builder.start(),
        *builder.text("Hel"),
        *builder.audio(b"\1\0"),
        *builder.text("lo"),
        *builder.end(usage=usage),
    ]
    part = m.AudioContent(transcript="Hello", format=PCM16_24K)
    item = m.MessageItem(id="item_1", status="completed", role="assistant", content=(part,))
    opened = m.MessageItem(id="item_1", status="in_progress", role="assistant")
    where: dict[str, Any] = {"response_id": "r1", "item_id": "item_1"}
    response: dict[str, Any] = {"response_id": "r1", "conversation_id": "conv", "voice": "a", "output_audio": PCM16_24K}
    assert out == [
        m.ResponseCreated(**response, output_modalities=("audio",)),
        m.OutputItemAdded(response_id="r1", item=opened),
        m.ItemAdded(item=opened, previous_item_id="before"),
        m.ContentPartAdded(**where, part=m.AudioContent(transcript="", format=PCM16_24K)),
        m.OutputTranscriptDelta(**where, text="Hel"),
        m.OutputAudioDelta(**where, audio=b"\1\0", format=PCM16_24K),
        m.OutputTranscriptDelta(**where, text="lo"),
        m.OutputAudioDone(**where),
        m.OutputTranscriptDone(**where, text="Hello"),
        m.ContentPartDone(**where, part=part),
        m.ItemDone(item=item, previous_item_id="before"),
        m.OutputItemDone(response_id="r1", item=item),
        m.ResponseDone(
            **response,
            output_modalities=("audio",),
            status="completed",
            items=(item,),
            usage=usage,
        ),
    ]
    assert builder.items == (item,)
    assert builder.is_done


def test_the_order_of_a_written_response() -> None:
    builder = make(None)
    assert types([*builder.start(), *builder.text("Hi"), *builder.end()]) == [
        "response_created",
        "output_item_added",
        "item_added",
        "content_part_added",
        "output_text_delta",
        "output_text_done",
        "content_part_done",
        "item_done",
        "output_item_done",
        "response_done",
    ]


def test_the_order_of_a_call_after_words() -> None:
    builder = make(None)
    builder.start()
    builder.text("One moment.")
    out = builder.function_call("add", '{"a": 1}', "call_9")
    assert types(out) == [
        "output_text_done", "content_part_done", "item_done", "output_item_done",
        "output_item_added", "item_added", "function_arguments_delta", "function_arguments_done",
        "item_done", "output_item_done",
    ]  # fmt: skip
    done = builder.end()[-1]
    assert isinstance(done, m.ResponseDone)
    assert done.function_calls == (
        m.FunctionCall(id="item_2", status="completed", call_id="call_9", name="add", arguments='{"a": 1}'),
    )


def test_that_an_out_of_band_response_adds_no_items_to_the_conversation() -> None:
    builder = make(None, m.ResponseCreate(out_of_band=True, metadata={"a": "b"}), conversation_id="conv")
    created = builder.start()[0]
    assert isinstance(created, m.ResponseCreated)
    assert (created.out_of_band, created.conversation_id, created.metadata) == (True, None, {"a": "b"})
    out = [*builder.text("Hi"), *builder.function_call("f", "{}"), *builder.end()]
    assert not {"item_added", "item_done"} & set(types(out))


@pytest.mark.parametrize("status", ["cancelled", "incomplete", "failed"])
def test_that_what_is_open_at_a_bad_end_is_incomplete(status: m.ResponseStatus) -> None:
    builder = make()
    builder.start()
    builder.text("Once upon")
    error = m.ErrorDetail(message="no more")
    *_, item_done, done = builder.end(status, reason="because", error=error)
    assert isinstance(item_done, m.OutputItemDone)
    assert item_done.item.status == "incomplete"
    assert isinstance(done, m.ResponseDone)
    assert (done.status, done.reason, done.error) == (status, "because", error)


def test_that_nothing_comes_after_the_end() -> None:
    builder = make()
    builder.start()
    assert builder.end()
    late = (
        builder.text("a"), builder.audio(b"\0\0"), builder.reasoning("a"), builder.function_call("f", ""),
        builder.finish_message(), builder.end("failed"),
    )  # fmt: skip
    assert late == ([],) * 6


def test_that_nothing_opens_nothing() -> None:
    builder = make()
    builder.start()
    assert (builder.text(""), builder.audio(b""), builder.finish_message()) == ([], [], [])
    assert builder.open_item_id is None
    assert types(builder.end()) == ["response_done"]


def test_that_written_responses_have_no_audio() -> None:
    with pytest.raises(ValueError, match="no audio"):
        make(None).audio(b"\0\0")


def test_that_ids_are_short_and_differ() -> None:
    assert len({new_id("item") for _ in range(100)}) == 100
    assert len(new_id("response")) <= 32


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("text"), st.text(max_size=3)),
        st.tuples(st.just("audio"), st.integers(0, 3)),
        st.tuples(st.just("reasoning"), st.text(max_size=3)),
        st.tuples(st.just("call"), st.sampled_from(["", "{}"])),
        st.tuples(st.just("finish"), st.none()),
        st.tuples(st.just("end"), st.sampled_from(["completed", "cancelled", "failed", "incomplete"])),
    ),
    max_size=20,
)


def build(builder: ResponseBuilder, steps: list[tuple[str, object]], *, speaks: bool) -> list[ServerMessage]:
    out = builder.start()
    for step, value in [*steps, ("end", "completed")]:
        match step, value:
            case "text", str(words):
                out += builder.text(words)
            case "audio", int(samples) if speaks:
                out += builder.audio(b"\1\0" * samples)
            case "reasoning", str(words):
                out += builder.reasoning(words)
            case "call", str(arguments):
                out += builder.function_call("f", arguments)
            case "finish", _:
                out += builder.finish_message()
            case "end", str(status):
                out += builder.end(status)  # type: ignore[arg-type]
    return out


@settings(max_examples=150, deadline=None, derandomize=True)
@given(STEPS, st.booleans(), st.booleans())
def test_that_any_course_is_well_formed(steps: list[tuple[str, object]], speaks: bool, aside: bool) -> None:
    builder = make(PCM16_24K if speaks else None, m.ResponseCreate(out_of_band=aside), previous_item_id="before")
    out = build(builder, steps, speaks=speaks)
    check_order(out)
    check_items(out, aside=aside)
    done = out[-1]
    assert isinstance(done, m.ResponseDone)
    check_words(out, done)


def check_order(out: list[ServerMessage]) -> None:
    """Created first, one done last; an item at a time, its messages between its begin and its end."""
    assert types(out).count("response_created") == types(out).count("response_done") == 1
    assert types([out[0], out[-1]]) == ["response_created", "response_done"]
    assert {getattr(message, "response_id", "r1") for message in out} == {"r1"}
    opened: str | None = None
    part_open = False
    index = 0
    for message in out[1:-1]:
        if isinstance(message, m.OutputItemAdded):
            assert opened is None
            assert message.output_index == index
            opened = message.item.id
        elif isinstance(message, m.OutputItemDone):
            assert (message.item.id, message.output_index, part_open) == (opened, index, False)
            opened, index = None, index + 1
        elif isinstance(message, m.ItemAdded | m.ItemDone):
            assert message.item.id == opened
        else:
            assert (message.item_id, message.output_index) == (opened, index)  # type: ignore[attr-defined]
            if isinstance(message, m.ContentPartAdded):
                part_open = True
            elif isinstance(message, m.ContentPartDone):
                part_open = False
            elif not isinstance(message, m.FunctionArgumentsDelta | m.FunctionArgumentsDone):
                assert part_open
    assert opened is None


def check_items(out: list[ServerMessage], *, aside: bool) -> None:
    """Every item that begins ends, in the response and in the conversation, behind the one before it."""
    begun = [message.item.id for message in out if isinstance(message, m.OutputItemAdded)]
    ended = [message.item for message in out if isinstance(message, m.OutputItemDone)]
    assert [item.id for item in ended] == begun
    assert len(set(begun)) == len(begun)
    done = out[-1]
    assert isinstance(done, m.ResponseDone)
    assert done.items == tuple(ended)
    added = [(message.item.id, message.previous_item_id) for message in out if isinstance(message, m.ItemAdded)]
    finished = [(message.item.id, message.previous_item_id) for message in out if isinstance(message, m.ItemDone)]
    assert added == finished == ([] if aside else list(zip(begun, ["before", *begun], strict=False)))


def check_words(out: list[ServerMessage], done: m.ResponseDone) -> None:
    """What is said of an item at its end is the sum of its deltas."""
    for item in done.items:
        deltas = [
            message.text
            for message in out
            if isinstance(message, m.OutputTextDelta | m.OutputTranscriptDelta) and message.item_id == item.id
        ]
        arguments = [
            message.text
            for message in out
            if isinstance(message, m.FunctionArgumentsDelta) and message.item_id == item.id
        ]
        dones = [
            message.text
            for message in out
            if isinstance(message, m.OutputTextDone | m.OutputTranscriptDone) and message.item_id == item.id
        ]
        if isinstance(item, m.MessageItem):
            assert [item.text] == dones == ["".join(deltas)]
        else:
            assert isinstance(item, m.FunctionCall)
            assert item.arguments == "".join(arguments)
            assert item.status == "completed"
