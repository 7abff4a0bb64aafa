from __future__ import annotations

from typing import Any

import msgspec
import pytest

from duologue.chat_messages import NO_RESULT_YET
from duologue.content import AudioContent, ImageContent, TextContent
from duologue.errors import SpeechFailed
from duologue.items import FunctionCall, FunctionResult, Item, ItemReference, McpCall, MessageItem, RawItem
from duologue.options import FunctionChoice, McpChoice
from duologue.speech.chat.request import IDLE, SPEAK_FIRST, UNCLEAR, messages_of, tools_of
from duologue.speech.responder import ResponderRequest
from duologue.tools import FunctionTool, McpServerTool

ASKED = ResponderRequest(items=(MessageItem.user("Hi"),))
WEATHER = FunctionTool(
    name="get_weather",
    description="The weather.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
USER = {"role": "user", "content": "Hi"}


def _call(call_id: str, arguments: str = "{}", **more: Any) -> FunctionCall:
    return FunctionCall(call_id=call_id, name="f", arguments=arguments, **more)


def _result(call_id: str) -> FunctionResult:
    return FunctionResult(call_id=call_id, output=f"r{call_id}")


def _requested(*ids: str, content: str | None = None, arguments: str = "{}") -> dict[str, Any]:
    calls = [{"id": i, "type": "function", "function": {"name": "f", "arguments": arguments}} for i in ids]
    return {"role": "assistant", "content": content, "tool_calls": calls}


def _told(call_id: str, output: str | None = None) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": output or f"r{call_id}"}


def _heard(role: Any, transcript: str | None) -> MessageItem:
    return MessageItem(role=role, content=(AudioContent(audio=b"\0\0", transcript=transcript),))


@pytest.mark.parametrize(
    ("items", "messages"),
    [
        ([MessageItem.user("Hi")], [USER]),
        ([_heard("user", "Hi"), _heard("assistant", "Hel")], [USER, {"role": "assistant", "content": "Hel"}]),
        ([_heard("user", None), MessageItem.assistant(""), MessageItem.user("Hi")], [USER]),
        (
            [MessageItem.system("A"), MessageItem.system("B"), MessageItem.user("Hi"), MessageItem.system("C")],
            [{"role": "system", "content": "A\n\nB"}, USER, {"role": "system", "content": "C"}],
        ),
        (
            [MessageItem.user("Hi"), _call("1"), _call("2"), _result("1"), _result("2")],
            [USER, _requested("1", "2"), _told("1"), _told("2")],
        ),
        (
            [MessageItem.user("Hi"), _call("1"), _result("1"), _call("2"), _result("2")],
            [USER, _requested("1"), _told("1"), _requested("2"), _told("2")],
        ),
        (
            [MessageItem.assistant("Wait."), _call("1"), _result("1"), MessageItem.assistant("So.")],
            [_requested("1", content="Wait."), _told("1"), {"role": "assistant", "content": "So."}],
        ),
        ([_call("1"), MessageItem.user("Hi"), _result("1")], [_requested("1"), _told("1"), USER]),
        ([_call("1"), MessageItem.user("Hi")], [_requested("1"), _told("1", NO_RESULT_YET), USER]),
        ([_call("1", '{"a'), _result("1")], [_requested("1"), _told("1")]),
        ([_call("1", '{"a": 1}'), _result("1")], [_requested("1", arguments='{"a": 1}'), _told("1")]),
        ([MessageItem.user("Hi"), _call("1", '{"a', status="incomplete"), _result("1")], [USER]),
        ([_result("1"), MessageItem.user("Hi")], [USER]),
        (
            [
                RawItem(data={}),
                _call("1"),
                McpCall(server_label="s", name="m"),
                _call("2"),
                _result("1"),
                _result("2"),
                ItemReference(id="x"),
                MessageItem.user("Hi"),
            ],
            [_requested("1", "2"), _told("1"), _told("2"), USER],
        ),
    ],
)
def test_items_as_messages(items: list[Item], messages: list[dict[str, Any]]) -> None:
    assert messages_of(ResponderRequest(items=tuple(items)), None) == messages


def test_pictures() -> None:
    picture = ImageContent(data=b"png", detail="low")
    item = MessageItem(role="user", content=(TextContent(text="See:"), picture, AudioContent(audio=b"")))
    assert messages_of(ResponderRequest(items=(item,)), None)[0]["content"] == [
        {"type": "text", "text": "See:"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n", "detail": "low"}},
    ]


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        ({"instructions": "A", "spoken": False}, [{"role": "system", "content": "A"}, USER]),
        ({"instructions": "A"}, [{"role": "system", "content": "A\n\nSpeak."}, USER]),
        ({}, [{"role": "system", "content": "Speak."}, USER]),
        ({"spoken": False, "instructions": ""}, [USER]),
        ({"spoken": False, "understood": False}, [USER, {"role": "system", "content": UNCLEAR}]),
        ({"spoken": False, "idle": True}, [USER, {"role": "system", "content": IDLE}]),
        (
            {"instructions": "A", "items": ()},
            [{"role": "system", "content": "A\n\nSpeak."}, {"role": "system", "content": SPEAK_FIRST}],
        ),
        ({"spoken": False, "items": ()}, [{"role": "system", "content": SPEAK_FIRST}]),
        ({"spoken": False, "items": (), "understood": False}, [{"role": "system", "content": UNCLEAR}]),
    ],
)
def test_what_the_model_is_told(options: dict[str, Any], messages: list[dict[str, Any]]) -> None:
    assert messages_of(msgspec.structs.replace(ASKED, **options), "Speak.") == messages


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        ("auto", True, {}),
        ("auto", False, {"parallel_tool_calls": False}),
        ("required", True, {"tool_choice": "required"}),
        (
            FunctionChoice("get_weather"),
            True,
            {"tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
        ),
        ("none", False, None),
    ],
)
def test_tool_parameters(choice: Any, parallel: bool, expected: dict[str, Any] | None) -> None:
    mcp = McpServerTool(server_label="files", server_url="https://example.org")
    asked = ResponderRequest(tools=(mcp, WEATHER), tool_choice=choice, parallel_tool_calls=parallel)
    parameters = tools_of(asked)
    if expected is None:
        assert parameters == {}
    else:
        names = [tool["function"]["name"] for tool in parameters.pop("tools")]
        assert (names, parameters) == (["get_weather"], expected)
    assert tools_of(msgspec.structs.replace(asked, tools=(mcp,))) == {}


def test_tools_of_mcp_servers_cannot_be_chosen() -> None:
    with pytest.raises(SpeechFailed, match="'files'"):
        tools_of(ResponderRequest(tool_choice=McpChoice("files")))
