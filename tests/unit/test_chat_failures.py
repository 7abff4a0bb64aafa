from __future__ import annotations

import traceback
from collections.abc import AsyncIterator

import pytest

from chat_server import (
    ASKED,
    KEY,
    ChatServer,
    Exchange,
    chunk,
    collect,
    fails,
    forget_environment,
    responder,
)
from duologue.errors import SpeechFailed
from duologue.speech.responder import Finished, TextChunk

pytest.importorskip("openai")


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ChatServer]:
    forget_environment(monkeypatch)
    async with ChatServer().running() as running:
        yield running


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, {"error": {"message": f"Incorrect key {KEY}"}}, "refuses the key (401). See whether the key is right"),
        (403, {"error": {"message": "no"}}, "refuses the key (403). See whether the key is right, and may use 'tiny'."),
        (
            404,
            {"error": {"message": "model not found."}},
            "has no model 'tiny', or nothing at this address (404): model not found. See",
        ),
        (404, b"<html>Not found</html>", "has no model 'tiny', or nothing at this address (404). See model and"),
        (
            429,
            {"error": {"message": "slow down"}},
            "has had too many requests, or the quota is used up (429): slow down.",
        ),
        (400, {"detail": f"odd {KEY}\n  thing"}, "refuses the request (400): odd *** thing. See whether 'tiny' takes"),
        (422, {"detail": [{"loc": ["body"]}]}, "refuses the request (422). See whether 'tiny' takes the options"),
        (500, b"boom", "failed (500): boom. Try again later, or see its log."),
        (503, {"error": "loading"}, "failed (503): loading. Try again later"),
        (500, b"x" * 5000, "failed (500): " + "x" * 200 + "…. Try"),
    ],
)
async def test_refusals(server: ChatServer, status: int, body: object, expected: str) -> None:
    server.script = [fails(status, body)] * 2
    async with responder(server) as chat:
        with pytest.raises(SpeechFailed) as failed:
            await collect(chat)
    assert str(failed.value).startswith(f"The chat endpoint at {server.host} {expected}")
    assert KEY not in "".join(traceback.format_exception(failed.value))


async def test_a_refusal_names_the_request(server: ChatServer) -> None:
    server.script = [fails(500, {"error": {"message": "boom"}}, x_request_id="req_7")]
    async with responder(server) as chat:
        with pytest.raises(SpeechFailed, match=r"\(Request req_7.\)$"):
            await collect(chat)


async def test_nobody_listens() -> None:
    async with ChatServer().running() as gone:
        pass
    async with responder(gone) as chat:
        with pytest.raises(SpeechFailed) as failed:
            await collect(chat)
    assert str(failed.value).startswith(f"The chat endpoint at {gone.host} cannot be reached: ")
    assert "See whether it runs" in str(failed.value)


async def test_nothing_comes_in_time(server: ChatServer) -> None:
    server.script = [Exchange.until_closed]
    async with responder(server, timeout=0.05) as chat:
        with pytest.raises(SpeechFailed, match="did not answer in time"):
            await collect(chat)


async def test_nothing_more_comes_in_time(server: ChatServer) -> None:
    async def stuck(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.send(chunk("Once "))
        await exchange.until_closed()

    server.script = [stuck]
    async with responder(server, timeout=0.5) as chat:
        stream = chat.respond(ASKED)
        assert await anext(stream) == TextChunk("Once ")
        with pytest.raises(SpeechFailed, match="stopped sending in the middle of the answer"):
            await anext(stream)


@pytest.mark.parametrize("how", ["cut", "end", "done"])
async def test_a_stream_that_breaks_off(server: ChatServer, how: str) -> None:
    async def broken(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.send(chunk("Once "))
        await exchange.send(chunk(calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]))
        if how == "cut":
            exchange.cut()
            return
        if how == "done":
            await exchange.send("data: [DONE]\n\n")
        await exchange.end()

    server.script = [broken]
    async with responder(server) as chat:
        stream = chat.respond(ASKED)
        assert await anext(stream) == TextChunk("Once ")
        with pytest.raises(SpeechFailed, match="broke off in the middle of the answer"):
            await anext(stream)


@pytest.mark.parametrize("after", ["cut", "garbage"])
async def test_what_goes_wrong_after_the_end_does_no_harm(server: ChatServer, after: str) -> None:
    async def careless(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.send(chunk("OK.", finish="stop"))
        if after == "garbage":
            await exchange.send("data: {oops\n\n")
        exchange.cut()

    server.script = [careless]
    async with responder(server) as chat:
        assert await collect(chat) == [TextChunk("OK."), Finished()]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("data: {oops\n\n", "sent something that is no chat completion"),
        (b"data: \xff\xfe\n\n", "sent something that is no chat completion"),
        ("data: [1, 2]\n\n", "sent something that is no chat completion"),
        ('data: "hello"\n\n', "sent something that is no chat completion"),
        ('data: {"choices": "hello"}\n\n', "sent something that is no chat completion"),
        ('data: {"choices": [{"delta": {"content": 5}}]}\n\n', "sent something that is no chat completion"),
        ("<html>Welcome</html>", "sent no answer at all"),
        ('{"choices": [{"message": {"content": "not streamed"}}]}', "sent no answer at all"),
        ("", "sent no answer at all"),
        ('data: {"error": {"message": "out of memory"}}\n\n', "reported an error: out of memory."),
        (f'data: {{"error": {{"message": "odd {KEY}"}}}}\n\n', "reported an error: odd ***."),
        ('data: {"error": "out of memory"}\n\n', "reported an error"),
    ],
)
async def test_garbage(server: ChatServer, body: str | bytes, expected: str) -> None:
    async def garbage(exchange: Exchange) -> None:
        await exchange.begin()
        if body:
            await exchange.send(body)
        await exchange.end()

    server.script = [garbage]
    async with responder(server) as chat:
        with pytest.raises(SpeechFailed) as failed:
            await collect(chat)
    assert expected in str(failed.value)
    assert server.host in str(failed.value)
    assert KEY not in "".join(traceback.format_exception(failed.value))
