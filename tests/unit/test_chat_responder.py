from __future__ import annotations

import asyncio
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat_server import (
    ASKED,
    KEY,
    OK,
    ChatServer,
    Exchange,
    answers,
    chunk,
    collect,
    fails,
    forget_environment,
    responder,
)
from duologue.content import Usage
from duologue.errors import InvalidInput, MissingDependency, SpeechFailed
from duologue.items import FunctionCall, MessageItem
from duologue.secret import Secret
from duologue.speech.chat import ChatResponder
from duologue.speech.responder import CallRequested, Finished, ResponderRequest, TextChunk
from duologue.tools import FunctionTool

openai = pytest.importorskip("openai")

WEATHER = FunctionTool(
    name="get_weather",
    description="The weather.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ChatServer]:
    forget_environment(monkeypatch)
    async with ChatServer().running() as running:
        yield running


# --- streaming ------------------------------------------------------------------------------------------------------


async def test_text_comes_as_it_arrives(server: ChatServer) -> None:
    may_go_on = asyncio.Event()

    async def halting(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.send(chunk(""))
        await exchange.send(chunk("Good "))
        await may_go_on.wait()
        await exchange.send(chunk("morning.", finish="stop"))
        await exchange.send("data: [DONE]\n\n")
        await exchange.end()

    server.script = [halting]
    async with responder(server) as chat:
        stream = chat.respond(ASKED)
        assert await anext(stream) == TextChunk("Good ")
        may_go_on.set()
        assert [event async for event in stream] == [TextChunk("morning."), Finished()]


async def test_the_request_that_is_sent(server: ChatServer) -> None:
    server.script = [OK]
    asked = ResponderRequest(
        items=(MessageItem.user("Hi"),),
        instructions="Be kind.",
        tools=(WEATHER,),
        tool_choice="required",
        parallel_tool_calls=False,
        max_output_tokens=9,
        temperature=0.5,
        spoken=False,
    )
    async with responder(server, temperature=0.1, extra_body={"top_k": 3}) as chat:
        assert await collect(chat, asked) == [TextChunk("OK."), Finished()]
    assert server.exchanges[0].line == "POST /v1/chat/completions HTTP/1.1"
    assert server.exchanges[0].headers["authorization"] == f"Bearer {KEY}"
    assert server.last == {
        "model": "tiny",
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "get_weather",
                    "description": "The weather.",
                    "parameters": WEATHER.parameters,
                },
            }
        ],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "max_tokens": 9,
        "temperature": 0.5,
        "top_k": 3,
    }


async def test_the_temperature_of_the_responder_stands_in(server: ChatServer) -> None:
    server.script = [OK]
    async with responder(server, temperature=0.1) as chat:
        await collect(chat)
    assert server.last["temperature"] == 0.1


async def test_calls_and_usage(server: ChatServer) -> None:
    usage = {
        "prompt_tokens": 5,
        "completion_tokens": 7,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    server.script = [
        answers(
            chunk("Let me see."),
            chunk(
                calls=[
                    {"index": 0, "id": "a", "type": "function", "function": {"name": "get_weather", "arguments": ""}}
                ]
            ),
            chunk(calls=[{"index": 0, "function": {"arguments": '{"city": '}}]),
            chunk(calls=[{"index": 0, "function": {"arguments": '"Oslo"}'}}]),
            chunk(finish="tool_calls"),
            {**chunk(), "choices": [], "usage": usage},
        )
    ]
    async with responder(server) as chat:
        assert await collect(chat) == [
            TextChunk("Let me see."),
            CallRequested("get_weather", '{"city": "Oslo"}', "a"),
            Finished(
                usage=Usage(input_tokens=5, output_tokens=7, total_tokens=12, cached_tokens=3, reasoning_tokens=2)
            ),
        ]


async def test_a_call_id_that_is_taken_is_left_out(server: ChatServer) -> None:
    call = {"index": 0, "id": "call_0", "function": {"name": "f", "arguments": "{}"}}
    server.script = [answers(chunk(calls=[call], finish="tool_calls"))]
    items = (MessageItem.user("Hi"), FunctionCall(call_id="call_0", name="f", arguments="{}"))
    async with responder(server) as chat:
        assert (await collect(chat, ResponderRequest(items=items)))[0] == CallRequested("f", "{}")


@pytest.mark.parametrize("how", ["close", "cancel"])
async def test_a_closed_answer_closes_its_connection(server: ChatServer, how: str) -> None:
    gone = asyncio.Event()

    async def endless(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.send(chunk("Once "))
        await exchange.until_closed()
        gone.set()

    server.script = [endless, OK]
    async with responder(server) as chat:
        stream = chat.respond(ASKED)
        assert await anext(stream) == TextChunk("Once ")
        if how == "close":
            await stream.aclose()
        else:
            waiting = asyncio.create_task(anext(stream))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        await gone.wait()
        assert await collect(chat) == [TextChunk("OK."), Finished()]


async def test_cancelled_before_the_answer_begins(server: ChatServer) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def mute(exchange: Exchange) -> None:
        asked.set()
        await exchange.until_closed()
        gone.set()

    server.script = [mute]
    async with responder(server) as chat:
        waiting = asyncio.create_task(collect(chat))
        await asked.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await gone.wait()


async def test_a_closed_responder_answers_no_more(server: ChatServer) -> None:
    server.script = [OK]
    async with responder(server) as chat:
        await collect(chat)
    with pytest.raises(SpeechFailed, match="closed"):
        await collect(chat)
    await chat.aclose()


async def test_closing_the_responder_ends_answers_under_way(server: ChatServer) -> None:
    async def endless(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.send(chunk("Once "))
        await exchange.until_closed()

    server.script = [endless]
    async with responder(server) as chat:
        stream = chat.respond(ASKED)
        await anext(stream)
        await chat.aclose()
        with pytest.raises(SpeechFailed):
            await anext(stream)


async def test_a_client_of_the_caller_stays_open(server: ChatServer) -> None:
    server.script = [OK, OK]
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key=KEY, max_retries=0) as client:
        chat = ChatResponder("tiny", client=client)
        await collect(chat)
        await chat.aclose()
        assert not client.is_closed()
        assert server.exchanges[0].headers["authorization"] == f"Bearer {KEY}"


# --- endpoints that differ ------------------------------------------------------------------------------------------


async def test_an_endpoint_that_refuses_stream_options(server: ChatServer) -> None:
    server.script = [fails(400, {"error": {"message": "unknown field stream_options"}}), OK, OK]
    async with responder(server) as chat:
        assert await collect(chat) == [TextChunk("OK."), Finished()]
        assert await collect(chat) == [TextChunk("OK."), Finished()]
    assert ["stream_options" in exchange.json for exchange in server.exchanges] == [True, False, False]


async def test_a_bad_request_is_not_repeated_once_stream_options_are_known_to_work(server: ChatServer) -> None:
    server.script = [OK, fails(400, {"error": {"message": "too long"}})]
    async with responder(server) as chat:
        await collect(chat)
        with pytest.raises(SpeechFailed, match="too long"):
            await collect(chat)


@pytest.mark.parametrize(
    ("base_url", "chosen", "field"),
    [
        ("http://localhost:11434/v1", None, "max_tokens"),
        ("https://api.openai.com/v1", None, "max_completion_tokens"),
        ("https://me.openai.azure.com/openai/v1", None, "max_completion_tokens"),
        ("https://openai.com.example.org/v1", None, "max_tokens"),
        ("http://localhost:11434/v1", "max_completion_tokens", "max_completion_tokens"),
        ("https://api.openai.com/v1", "max_tokens", "max_tokens"),
    ],
)
async def test_the_name_of_the_bound(base_url: str, chosen: Any, field: str) -> None:
    chat = ChatResponder("tiny", base_url=base_url, api_key=KEY, max_tokens_field=chosen)
    assert chat._parameters(ResponderRequest(max_output_tokens=9))[field] == 9
    assert not {"max_tokens", "max_completion_tokens"} & chat._parameters(ASKED).keys()
    await chat.aclose()


async def test_faults_before_the_answer_are_retried(server: ChatServer) -> None:
    server.script = [fails(503, {"error": {"message": "busy"}}, retry_after_ms="1"), OK]
    async with responder(server, max_retries=1) as chat:
        assert await collect(chat) == [TextChunk("OK."), Finished()]


# --- keys and addresses ---------------------------------------------------------------------------------------------


async def _fetch_key() -> Secret:
    return Secret.of(KEY)


@pytest.mark.parametrize("key", [KEY, f" {KEY}\n", Secret.of(KEY), lambda: KEY, lambda: Secret.of(KEY), _fetch_key])
async def test_keys(server: ChatServer, key: Any) -> None:
    server.script = [OK]
    async with responder(server, api_key=key) as chat:
        await collect(chat)
        assert KEY not in f"{chat!r}{chat.__dict__!r}"
    assert server.exchanges[0].headers["authorization"] == f"Bearer {KEY}"


async def test_a_key_is_fetched_for_each_request(server: ChatServer) -> None:
    server.script = [OK, OK]
    keys = iter(["one", "two"])
    async with responder(server, api_key=lambda: next(keys)) as chat:
        await collect(chat)
        await collect(chat)
    assert [exchange.headers["authorization"] for exchange in server.exchanges] == ["Bearer one", "Bearer two"]


async def test_the_key_of_the_environment_goes_to_openai_only(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.script = [OK, fails(401, {})]
    async with responder(server, api_key=None) as chat:
        await collect(chat)
        assert "authorization" not in server.exchanges[0].headers
        with pytest.raises(SpeechFailed, match=r"wants a key \(401\), and none was given. Pass api_key"):
            await collect(chat)


async def test_the_address_of_the_environment_gets_its_key(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.script = [OK]
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    chat = ChatResponder("tiny")
    await collect(chat)
    await chat.aclose()
    assert server.exchanges[0].headers["authorization"] == f"Bearer {KEY}"


async def test_a_key_that_no_header_can_carry(server: ChatServer) -> None:
    async with responder(server, api_key=f"{KEY}\nX") as chat:
        with pytest.raises(SpeechFailed, match="no header can carry") as failed:
            await collect(chat)
    assert KEY not in "".join(traceback.format_exception(failed.value))
    assert not server.exchanges


async def test_a_key_that_cannot_be_fetched(server: ChatServer) -> None:
    def fetch() -> str:
        raise KeyError("vault")

    async with responder(server, api_key=fetch) as chat:
        with pytest.raises(SpeechFailed, match="could not be fetched: the function raised KeyError") as failed:
            await collect(chat)
    assert isinstance(failed.value.__cause__, KeyError)


def test_what_makes_no_sense(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_environment(monkeypatch)
    with pytest.raises(InvalidInput, match="OPENAI_API_KEY"):
        ChatResponder("tiny")
    for address in ("localhost:8000/v1", "https://", "ftp://example.org", "http://example.org:99999"):
        with pytest.raises(InvalidInput, match="base_url"):
            ChatResponder("tiny", base_url=address)
    with pytest.raises(InvalidInput, match="Give either"):
        ChatResponder("tiny", base_url="http://example.org", client=object())  # type: ignore[arg-type]


def test_the_sdk_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingDependency, match=r'pip install "duologue\[chat\]"'):
        ChatResponder("tiny", base_url="http://localhost:1/v1")


def test_the_sdk_is_not_loaded_before_it_is_needed() -> None:
    probe = "import sys, duologue.speech.chat; sys.exit('openai' in sys.modules)"
    subprocess.run([sys.executable, "-c", probe], check=True)


async def test_the_spoken_hint_can_be_switched_off(server: ChatServer) -> None:
    server.script = [OK, OK]
    async with responder(server) as chat, responder(server, spoken_hint=None) as plain:
        await collect(chat)
        assert "spoken aloud" in server.last["messages"][0]["content"]
        await collect(plain)
        assert server.last["messages"] == [{"role": "user", "content": "Hi"}]


def test_expects_anything() -> None:
    assert ChatResponder("tiny", base_url="http://localhost/v1").expects((WEATHER,)) == ()
