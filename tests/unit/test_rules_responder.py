from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Literal

import pytest
from pydantic import Field

from duologue.content import AudioContent
from duologue.errors import InvalidInput, SpeechFailed
from duologue.items import FunctionCall, FunctionResult, Item, MessageItem, RawItem
from duologue.options import FunctionChoice, McpChoice
from duologue.speech.responder import CallRequested, Finished, Responder, ResponderEvent, ResponderRequest, TextChunk
from duologue.speech.rules import Rule, RulesResponder
from duologue.tools import FunctionTool, McpServerTool, Tool, tool


@tool(examples=["what time is it", "tell me the time"])
def get_time() -> str:
    """Tell the time."""
    return "noon"


@tool(examples=["what is {first} times {second}", "multiply {first} and {second}"])
def multiply(first: float, second: float) -> float:
    """Multiply two numbers."""
    return first * second


@tool(examples=["set a timer for {minutes} minutes"])
def set_timer(minutes: Annotated[float, Field(gt=0)]) -> str:
    """Set a timer."""
    return "set"


@tool(examples=["turn {on} the {room} light"])
def switch_light(on: bool, room: Literal["kitchen", "bedroom"]) -> None:
    """Switch a light."""


@tool(examples=["tell me {what}"])
def look_up(what: str) -> str:
    """Look something up."""
    return what


TOOLS: tuple[Tool, ...] = (get_time, multiply, set_timer, switch_light)
STORY = Rule(("tell me a story", "a story please"), "Once upon a time there was a fox. It slept.")
UNCLEAR = "Sorry, I did not understand that."


def request(
    *said: str | Item, tools: Sequence[Tool] = TOOLS, choice: object = "auto", **options: object
) -> ResponderRequest:
    items = tuple(MessageItem.user(item) if isinstance(item, str) else item for item in said)
    return ResponderRequest(items=items, tools=tuple(tools), tool_choice=choice, **options)  # type: ignore[arg-type]


async def events(asked: ResponderRequest, responder: Responder | None = None) -> list[ResponderEvent]:
    responder = responder or RulesResponder([STORY])
    return [event async for event in responder.respond(asked)]


async def spoken(asked: ResponderRequest, responder: Responder | None = None) -> str:
    answer = await events(asked, responder)
    assert all(isinstance(event, TextChunk) for event in answer)
    return "".join(event.text for event in answer if isinstance(event, TextChunk))


async def calls(asked: ResponderRequest) -> list[tuple[str, dict[str, object]]]:
    answer = await events(asked)
    assert all(isinstance(event, CallRequested) for event in answer)
    return [(event.name, json.loads(event.arguments)) for event in answer if isinstance(event, CallRequested)]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("what time is it", [("get_time", {})]),
        ("What's the... um, tell me the time, please!", []),
        ("Could you tell me the time, please?", [("get_time", {})]),
        ("what is twelve times seven", [("multiply", {"first": 12, "second": 7})]),
        ("set a timer for five minutes", [("set_timer", {"minutes": 5})]),
        ("turn on the kitchen light", [("switch_light", {"on": True, "room": "kitchen"})]),
        ("turn off the kitchen light", [("switch_light", {"on": False, "room": "kitchen"})]),
        (
            "set a timer for five minutes and turn on the bedroom light",
            [("set_timer", {"minutes": 5}), ("switch_light", {"on": True, "room": "bedroom"})],
        ),
        (
            "multiply two and three and then tell me the time",
            [("multiply", {"first": 2, "second": 3}), ("get_time", {})],
        ),
        (
            "What time is it? Turn off the bedroom light.",
            [("get_time", {}), ("switch_light", {"on": False, "room": "bedroom"})],
        ),
        ("multiply two and three", [("multiply", {"first": 2, "second": 3})]),
    ],
)
async def test_what_is_said_calls_tools(said: str, expected: list[tuple[str, dict[str, object]]]) -> None:
    if expected:
        assert await calls(request(said)) == expected
    else:
        assert (await spoken(request(said))).startswith(UNCLEAR)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("tell me a story", "Once upon a time there was a fox. It slept."),
        ("Hello!", "Hello. What can I do for you?"),
        ("thanks a lot", "You are welcome."),
        ("thank you", "You are welcome."),
        ("Good bye.", "Goodbye."),
        ("stop", "All right."),
        ("that is enough thank you", "All right."),
        ("who are you", "I am a voice assistant that works by fixed rules, without a language model."),
        ("thanks and goodbye", "You are welcome. Goodbye."),
        (
            "what can you do",
            'You can say, for example, "what time is it", "what is five times seven", "set a timer for six minutes", '
            '"turn on the kitchen light" or "tell me a story".',
        ),
        ("purple", f'{UNCLEAR} You can say, for example, "what time is it" or "what is five times seven".'),
        ("", f'{UNCLEAR} You can say, for example, "what time is it" or "what is five times seven".'),
    ],
)
async def test_what_is_said_is_answered(said: str, answer: str) -> None:
    assert await spoken(request(said)) == answer


async def test_answers_come_sentence_by_sentence() -> None:
    answer = await events(request("tell me a story"))
    assert answer == [TextChunk("Once upon a time there was a fox. "), TextChunk("It slept.")]


async def test_small_talk_and_a_call_in_one() -> None:
    answer = await events(request("Thank you. What time is it?"))
    assert answer == [TextChunk("You are welcome."), CallRequested("get_time", "{}")]


async def test_the_better_match_wins_between_tools_and_rules() -> None:
    tools = [look_up, *TOOLS]
    assert await spoken(request("tell me a story", tools=tools)) == STORY.answer
    assert await calls(request("tell me a joke", tools=tools)) == [("look_up", {"what": "a joke"})]
    assert await calls(request("tell me the time", tools=tools)) == [("get_time", {})]


async def test_a_tool_wins_against_a_rule_that_fits_as_well() -> None:
    responder = RulesResponder([Rule(("what time is it",), "Late.")])
    assert await events(request("what time is it"), responder) == [CallRequested("get_time", "{}")]
    assert await spoken(request("what time is it", choice="none"), responder) == "Late."


async def test_the_rules_of_the_application_come_before_small_talk() -> None:
    responder = RulesResponder([Rule(("hello",), "Ahoy.")])
    assert await spoken(request("hello"), responder) == "Ahoy."


async def test_without_small_talk() -> None:
    responder = RulesResponder(small_talk=False)
    assert await spoken(request("hello", tools=()), responder) == UNCLEAR


async def test_nothing_to_offer() -> None:
    assert await spoken(request("help", tools=()), RulesResponder()) == "I can only make small talk so far."
    assert (
        await spoken(request("help", tools=()), RulesResponder([STORY]))
        == 'You can say, for example, "tell me a story".'
    )


async def test_several_calls_need_parallel_calls() -> None:
    said = "what time is it and turn on the kitchen light"
    assert (await spoken(request(said, parallel_tool_calls=False))).startswith(UNCLEAR)
    assert await calls(request("what time is it", parallel_tool_calls=False)) == [("get_time", {})]


async def test_half_understood_does_nothing() -> None:
    assert (await spoken(request("what time is it and paint the fence"))).startswith(UNCLEAR)


async def test_a_monologue_is_not_taken_apart_for_long() -> None:
    said = "what time is it and " * 500
    assert (await spoken(request(said))).startswith(UNCLEAR)


@pytest.mark.parametrize(
    ("said", "choice", "expected"),
    [
        ("what time is it", "none", f'{UNCLEAR} You can say, for example, "tell me a story".'),
        ("what time is it", "required", [("get_time", {})]),
        ("hello", "required", f'{UNCLEAR} You can say, for example, "what time is it" or "what is five times seven".'),
        ("what time is it", FunctionChoice("get_time"), [("get_time", {})]),
        ("hello", FunctionChoice("get_time"), [("get_time", {})]),
        (
            "what time is it",
            FunctionChoice("set_timer"),
            f'{UNCLEAR} You can say, for example, "set a timer for six minutes" or "tell me a story".',
        ),
        ("what time is it", FunctionChoice("unknown"), f'{UNCLEAR} You can say, for example, "tell me a story".'),
    ],
)
async def test_tool_choice(said: str, choice: object, expected: str | list[tuple[str, dict[str, object]]]) -> None:
    asked = request(said, choice=choice)
    assert (await spoken(asked) if isinstance(expected, str) else await calls(asked)) == expected


async def test_required_with_one_tool_calls_it() -> None:
    assert await calls(request("hello", tools=[get_time], choice="required")) == [("get_time", {})]
    assert (await spoken(request("hello", tools=[set_timer], choice="required"))).startswith(UNCLEAR)


async def test_a_tool_of_an_mcp_server_cannot_be_chosen() -> None:
    with pytest.raises(SpeechFailed, match="MCP server 'files'"):
        await events(request("hello", choice=McpChoice("files")))


async def test_mcp_tools_are_passed_over() -> None:
    tools = (McpServerTool(server_label="files", server_url="https://example.org"), get_time)
    assert await calls(request("what time is it", tools=tools)) == [("get_time", {})]
    assert "what time is it" in RulesResponder().expects(tools)


async def test_speaks_first() -> None:
    assert await spoken(request()) == "Hello. What can I do for you?"
    assert await spoken(request(MessageItem.system("Be brief."))) == "Hello. What can I do for you?"
    assert await spoken(request(), RulesResponder(greeting="Yes?")) == "Yes?"


async def test_idle() -> None:
    assert await spoken(request("what time is it", idle=True)) == "Are you still there?"
    assert await spoken(request(idle=True), RulesResponder(idle="Hello?")) == "Hello?"


async def test_what_was_not_made_out_does_nothing() -> None:
    hint = 'You can say, for example, "what time is it" or "what is five times seven".'
    assert await spoken(request("what time is it", understood=False)) == f"{UNCLEAR} {hint}"
    assert await spoken(request(understood=False), RulesResponder(not_understood="What?")) == f"What? {hint}"
    asked = request("what time is it", understood=False, tools=[get_time], choice="required")
    assert (await spoken(asked)).startswith(UNCLEAR)


async def test_speech_is_read_from_its_transcript() -> None:
    heard = MessageItem(role="user", content=(AudioContent(audio=b"\0\0", transcript="what time is it"),))
    assert await calls(request("hello", MessageItem.assistant("Hello."), heard)) == [("get_time", {})]
    deaf = MessageItem(role="user", content=(AudioContent(audio=b"\0\0"),))
    assert (await spoken(request("what time is it", deaf))).startswith(UNCLEAR)


async def test_results_are_spoken() -> None:
    call = FunctionCall(call_id="a", name="get_time", arguments="{}")
    second = FunctionCall(call_id="b", name="multiply", arguments="{}")
    results = (FunctionResult(call_id="a", output="It is noon"), FunctionResult(call_id="b", output="84"))
    assert await spoken(request("…", call, results[0])) == "It is noon"
    assert await spoken(request("…", call, second, *results, choice="required")) == "It is noon. The result is 84."
    told = (call, results[0], MessageItem.assistant("It is noon"), second, results[1])
    assert await spoken(request("…", *told)) == "The result is 84."


async def test_results_that_were_spoken_are_not_spoken_again() -> None:
    before = (FunctionCall(call_id="a", name="get_time"), FunctionResult(call_id="a", output="noon"))
    answered = request("what time is it", *before, MessageItem.assistant("noon"), "hello")
    assert await spoken(answered) == "Hello. What can I do for you?"
    assert await spoken(request(*before, RawItem(data={}), "hello")) == "Hello. What can I do for you?"


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (1, [TextChunk("Once"), Finished("max_output_tokens")]),
        (7, [TextChunk("Once upon a time there was a"), Finished("max_output_tokens")]),
        (8, [TextChunk("Once upon a time there was a fox. "), Finished("max_output_tokens")]),
        (9, [TextChunk("Once upon a time there was a fox. "), TextChunk("It"), Finished("max_output_tokens")]),
        (10, [TextChunk("Once upon a time there was a fox. "), TextChunk("It slept.")]),
    ],
)
async def test_answers_are_cut_at_words(limit: int, expected: list[ResponderEvent]) -> None:
    assert await events(request("tell me a story", max_output_tokens=limit)) == expected


async def test_a_cut_answer_calls_nothing() -> None:
    answer = await events(request("Thank you. What time is it?", max_output_tokens=2))
    assert answer == [TextChunk("You are"), Finished("max_output_tokens")]


async def test_a_rule_can_compute_its_answer() -> None:
    def count(asked: ResponderRequest) -> str:
        return f"{len(asked.items)} items."

    responder = RulesResponder([Rule(("how many",), count), Rule(("my name is {name}",), "Pleased to meet you.")])
    assert await spoken(request("hello", "how many"), responder) == "2 items."
    assert await spoken(request("My name is Ada Lovelace"), responder) == "Pleased to meet you."


async def test_a_rule_that_fails() -> None:
    def fail(asked: ResponderRequest) -> str:
        raise KeyError("secret")

    with pytest.raises(SpeechFailed, match="'how many' could not answer: its function raised KeyError") as failed:
        await events(request("how many"), RulesResponder([Rule(("how many",), fail)]))
    assert isinstance(failed.value.__cause__, KeyError)
    with pytest.raises(SpeechFailed, match="gave back int"):
        await events(request("how many"), RulesResponder([Rule(("how many",), lambda asked: 3)]))  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("phrases", [(), ("",), ("{open",), "one str"])
def test_rules_that_make_no_sense(phrases: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput):
        Rule(phrases, "…")


def test_expects_what_can_be_said() -> None:
    expected = RulesResponder([STORY, Rule(("my name is {name} and hello",), "…")]).expects(TOOLS)
    assert len(expected) == len(set(expected))
    for phrase in (
        *("what time is it", "turn off the bedroom light", "set a timer for five minutes"),
        *("tell me a story", "my name is", "and hello", "that is enough", "what can you do"),
    ):
        assert phrase in expected


def test_what_is_expected_is_kept_for_the_same_tools() -> None:
    responder = RulesResponder()
    first = responder.expects(TOOLS)
    assert responder.expects(TOOLS) is first
    twin = FunctionTool(name="get_time", examples=("what hour is it",))
    assert "what hour is it" in responder.expects((twin,))
    for _ in range(100):  # each set of tools dies at once, so that the next could get its id
        phrase = f"phrase {_}"
        assert phrase in responder.expects((FunctionTool(name="one", examples=(phrase,)),))
    assert len(responder._expected) <= 32


async def test_the_instructions_change_nothing() -> None:
    assert await spoken(request("hello", instructions="Say only moo.")) == "Hello. What can I do for you?"


async def test_stays_usable_after_closing() -> None:
    responder = RulesResponder()
    await responder.aclose()
    assert await spoken(request("thanks"), responder) == "You are welcome."
