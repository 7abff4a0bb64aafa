"""The conversation against a simple model of the same history."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from duologue import messages as m
from duologue.conversation import Conversation
from duologue.formats import PCM16_24K
from duologue.lifecycle import ResponseBuilder
from duologue.messages.base import ServerMessage


def user(id: str, text: str) -> m.MessageItem:
    return m.MessageItem.user(text, id=id)


def heard(text: str, item: str = "u1", **more: Any) -> m.InputTranscriptDelta:
    return m.InputTranscriptDelta(item_id=item, text=text, **more)


def understood(text: str, item: str = "u1", usage: m.Usage | None = None) -> m.InputTranscriptCompleted:
    return m.InputTranscriptCompleted(item_id=item, text=text, usage=usage)


def shown(conversation: Conversation) -> list[tuple[str | None, str]]:
    return [(item.id, item.text if isinstance(item, m.MessageItem) else "") for item in conversation.items]


# --- a model ---

STEP = st.one_of(
    st.tuples(st.just("answer"), st.lists(st.text("ab ", min_size=1, max_size=4), max_size=4)),
    st.tuples(st.just("call"), st.none()),
    st.tuples(st.just("result"), st.integers(0, 9)),
    st.tuples(st.just("write"), st.integers(-2, 9)),
    st.tuples(st.just("speak"), st.booleans()),
    st.tuples(st.just("transcribe"), st.integers(0, 9)),
    st.tuples(st.just("delete"), st.integers(0, 9)),
    st.tuples(st.just("cut"), st.integers(0, 9)),
    st.tuples(st.just("late"), st.integers(0, 9)),
)


class Model:
    """The same history, as simply as can be: a list of ids, and what each says."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.text: dict[str, str] = {}
        self.whole: dict[str, m.Item] = {}  # as the provider would repeat it
        self.cut: set[str] = set()
        self.untold: list[str] = []  # user items without a transcript yet
        self.calls: list[str] = []
        self.tokens = 0
        self.numbers = itertools.count(1)

    def new_id(self, kind: str) -> str:
        return f"{kind}{next(self.numbers)}"

    def put(self, item: m.Item, place: int) -> None:
        assert item.id is not None
        self.ids.insert(place, item.id)
        self.whole[item.id] = item
        self.text[item.id] = item.text if isinstance(item, m.MessageItem) else ""

    def step(self, step: str, value: Any) -> list[ServerMessage]:
        messages: list[ServerMessage] = getattr(self, f"do_{step}")(value)
        return messages

    def respond(self, builder: ResponseBuilder, middle: list[ServerMessage]) -> list[ServerMessage]:
        self.tokens += 1
        out = [*builder.start(), *middle, *builder.end(usage=m.Usage(total_tokens=1))]
        for item in builder.items:
            self.put(item, len(self.ids))
        return out

    def builder(self) -> ResponseBuilder:
        last = self.ids[-1] if self.ids else None
        response = self.new_id("r")
        return ResponseBuilder(response, output_audio=PCM16_24K, previous_item_id=last, make_id=self.new_id)

    def do_answer(self, parts: list[str]) -> list[ServerMessage]:
        builder = self.builder()
        middle = [message for part in parts for message in (*builder.text(part), *builder.audio(bytes(480)))]
        return self.respond(builder, middle)

    def do_call(self, _: None) -> list[ServerMessage]:
        builder = self.builder()
        call_id = self.new_id("call")
        self.calls.append(call_id)
        return self.respond(builder, builder.function_call("f", "{}", call_id))

    def do_result(self, which: int) -> list[ServerMessage]:
        if not self.calls:
            return []
        call_id = self.calls.pop(which % len(self.calls))
        return self.added(m.FunctionResult(id=self.new_id("o"), call_id=call_id, output=""), len(self.ids))

    def do_write(self, where: int) -> list[ServerMessage]:
        place = len(self.ids) if where == -2 else 0 if where == -1 or not self.ids else where % len(self.ids) + 1
        return self.added(user(self.new_id("w"), f"text {place}"), place)

    def added(self, item: m.Item, place: int) -> list[ServerMessage]:
        previous = "root" if place == 0 else self.ids[place - 1]
        self.put(item, place)
        return [m.ItemAdded(item=item, previous_item_id=previous), m.ItemDone(item=item, previous_item_id=previous)]

    def do_speak(self, told_before: bool) -> list[ServerMessage]:
        id = self.new_id("u")
        item = m.MessageItem(id=id, role="user", content=(m.AudioContent(),))
        messages: list[ServerMessage] = [m.InputSpeechStarted(item_id=id), m.InputAudioCommitted(item_id=id)]
        messages += [heard("early ", id)] if told_before else []
        messages += self.added(item, len(self.ids))
        self.text[id] = "early " if told_before else ""
        self.untold.append(id)
        return messages

    def do_transcribe(self, which: int) -> list[ServerMessage]:
        if not self.untold:
            return []
        id = self.untold.pop(which % len(self.untold))
        if id in self.ids:
            self.text[id] = f"words of {id}"
        return [heard("words", id), understood(f"words of {id}", id)]

    def do_delete(self, which: int) -> list[ServerMessage]:
        if not self.ids:
            return []
        id = self.ids.pop(which % len(self.ids))
        self.cut.discard(id)
        return [m.ItemDeleted(item_id=id)]

    def do_cut(self, which: int) -> list[ServerMessage]:
        spoken = [id for id in self.ids if _is_answer(self.whole[id])]
        if not spoken:
            return []
        id = spoken[which % len(spoken)]
        self.text[id] = "heard"
        self.cut.add(id)
        return [m.ItemTruncated(item_id=id, audio_end_ms=1, transcript="heard")]

    def do_late(self, which: int) -> list[ServerMessage]:
        answers = [id for id in self.ids if _is_answer(self.whole[id])]
        return [m.ItemDone(item=self.whole[answers[which % len(answers)]])] if answers else []


def _is_answer(item: m.Item) -> bool:
    return isinstance(item, m.MessageItem) and item.role == "assistant"


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(STEP, max_size=25))
def test_that_it_tells_what_a_simple_model_tells(steps: list[tuple[str, Any]]) -> None:
    model, conversation = Model(), Conversation()
    for step, value in steps:
        for message in model.step(step, value):
            conversation.feed(message)
        assert shown(conversation) == [(id, model.text[id]) for id in model.ids]
        assert set(conversation.open_calls) == set(model.calls)
        assert (conversation.usage.total_tokens or 0) == model.tokens
        assert all(conversation.was_cut(id) == (id in model.cut) for id in model.ids)
        assert [conversation.item(id) for id in model.ids] == conversation.items
