"""Client secrets, against an HTTP server on loopback."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import msgspec
import pytest

pytest.importorskip("httpx2")

from duologue.errors import ConnectRefused, InvalidInput, MissingDependency, UnsupportedOperation
from duologue.items import MessageItem
from duologue.options import SessionOptions, Transcription
from duologue.providers import (
    AzureOpenAIRealtimeClient,
    ClientSecret,
    ConnectionSettings,
    OpenAIRealtimeClient,
    OpenAISessionOptions,
    Refusal,
    XAIRealtimeClient,
)
from duologue.providers.client_secrets import read_client_secret
from realtime_server import RealtimeServer, answer_post, never_answer, realtime_server
from websocket_servers import connect_proxy

MADE = {"value": "ek_1234567890", "expires_at": 1_800_000_000, "session": {"id": "sess_1"}}
DIRECT = ConnectionSettings(proxy=None)


async def quickly(seconds: float) -> None:
    await asyncio.sleep(0)


def client_of(server: RealtimeServer, **given: Any) -> OpenAIRealtimeClient:
    return OpenAIRealtimeClient("m", **{"api_key": "sk-1", "base_url": server.url(), "connection": DIRECT, **given})


async def test_a_client_secret() -> None:
    async with realtime_server(answer_post(200, MADE)) as server:
        client = client_of(server, project="proj-1", defaults=SessionOptions(voice="marin"))
        secret = await client.create_client_secret(
            OpenAISessionOptions(instructions="Be brief.", tracing="auto"), expires_after=60
        )
        assert server.requests[0].startswith("POST /v1/realtime/client_secrets HTTP/1.1\r\n")
        assert server.header("Authorization") == "Bearer sk-1"
        assert server.header("OpenAI-Project") == "proj-1"
        assert server.header("Content-Type") == "application/json"
        assert server.events == [
            {
                "expires_after": {"anchor": "created_at", "seconds": 60},
                "session": {
                    "type": "realtime",
                    "model": "m",
                    "instructions": "Be brief.",
                    "audio": {"output": {"voice": "marin"}},
                    "tracing": "auto",
                },
            }
        ]
        assert isinstance(secret, ClientSecret)
        assert secret.value.reveal() == "ek_1234567890"
        assert secret.expires_at == 1_800_000_000
        assert secret.session == {"id": "sess_1"}
        assert "1234567890" not in repr(secret)
        async with client_of(server, api_key=secret.value) as holder, holder.create_session():
            assert server.header("Authorization") == "Bearer ek_1234567890"


async def test_a_client_secret_for_transcription() -> None:
    async with realtime_server(answer_post(200, MADE)) as server:
        options = SessionOptions(kind="transcription", transcription=Transcription(model="gpt-transcribe"))
        client = OpenAIRealtimeClient(api_key="sk-1", base_url=server.url(), connection=DIRECT)
        await client.create_client_secret(options)
        assert server.events[0]["session"] == {
            "type": "transcription",
            "audio": {"input": {"transcription": {"model": "gpt-transcribe"}}},
        }
        assert server.events[0]["expires_after"]["seconds"] == 600


async def test_a_client_secret_of_azure() -> None:
    async with realtime_server(answer_post(200, MADE)) as server:
        client = AzureOpenAIRealtimeClient("d", endpoint=server.url("/gateway"), api_key="k", connection=DIRECT)
        await client.create_client_secret()
        assert server.targets == ["/gateway/openai/v1/realtime/client_secrets"]
        assert server.header("api-key") == "k"
        assert server.events[0]["session"] == {"type": "realtime", "model": "d"}
    preview = AzureOpenAIRealtimeClient("d", endpoint="https://r", api_key="k", api_version="2025-04-01-preview")
    with pytest.raises(InvalidInput, match="leave api_version out"):
        await preview.create_client_secret()


async def test_a_client_secret_of_xai() -> None:
    async with realtime_server(answer_post(200, {"value": "xai-token", "expires_at": 1})) as server:
        client = XAIRealtimeClient(api_key="xai-1", base_url=server.url("/v1"), connection=DIRECT)
        secret = await client.create_client_secret(expires_after=120)
        assert server.targets == ["/v1/realtime/client_secrets"]
        assert server.header("Authorization") == "Bearer xai-1"
        assert server.events == [{"expires_after": {"seconds": 120}}]
        assert secret.value.reveal() == "xai-token"


@pytest.mark.parametrize("seconds", [9, 7201, -1, float("nan"), float("inf")])
async def test_times_that_nobody_takes(seconds: float) -> None:
    for client in (OpenAIRealtimeClient("m", api_key="sk-1"), XAIRealtimeClient(api_key="xai-1")):
        with pytest.raises(InvalidInput, match="between 10 and 7200 s"):
            await client.create_client_secret(expires_after=seconds)


@pytest.mark.parametrize(
    ("options", "error", "complaint"),
    [
        (SessionOptions(temperature=0.8), UnsupportedOperation, "temperature"),
        (SessionOptions(history=(MessageItem.user("Hi."),)), InvalidInput, "holds no history"),
        (OpenAISessionOptions(call_id="rtc_1"), InvalidInput, "leave call_id out"),
    ],
)
async def test_options_that_do_not_fit(options: SessionOptions, error: type[Exception], complaint: str) -> None:
    async with realtime_server() as server:
        with pytest.raises(error, match=complaint):
            await client_of(server).create_client_secret(options)
        assert server.requests == []


async def test_a_client_secret_without_a_model() -> None:
    with pytest.raises(InvalidInput, match="needs a model"):
        await OpenAIRealtimeClient(api_key="sk-1").create_client_secret()


async def test_a_refusal() -> None:
    body = {"error": {"message": "Incorrect API key provided: sk-123456789.", "code": "invalid_api_key"}}
    async with realtime_server(answer_post(401, body, X_Request_Id="req_9")) as server:
        with pytest.raises(Refusal, match="refused the request with status 401") as raised:
            await client_of(server).create_client_secret()
        assert len(server.requests) == 1
    refused = raised.value
    assert (refused.status, refused.code, refused.request_id, refused.retryable) == (
        401,
        "invalid_api_key",
        "req_9",
        False,
    )
    assert "123456789" not in str(refused)
    assert "OPENAI_API_KEY" in refused.hint


async def test_a_redirect_is_not_followed() -> None:
    async with (
        realtime_server() as elsewhere,
        realtime_server(answer_post(307, "", Location=elsewhere.url())) as server,
    ):
        with pytest.raises(Refusal) as raised:
            await client_of(server).create_client_secret()
        assert "would carry the key elsewhere" in raised.value.hint
        assert elsewhere.requests == []


async def test_that_an_overloaded_server_is_tried_again() -> None:
    settings = ConnectionSettings(proxy=None, sleep=quickly)
    async with realtime_server(answer_post(503, ""), answer_post(200, MADE)) as server:
        await client_of(server, connection=settings).create_client_secret()
        assert len(server.requests) == 2


async def test_a_server_that_is_not_there_or_silent() -> None:
    settings = ConnectionSettings(proxy=None, attempts=1, open_timeout=0.1)
    async with realtime_server(never_answer) as server:
        client = client_of(server, connection=settings)
        with pytest.raises(ConnectRefused, match="did not answer in time") as raised:
            await client.create_client_secret()
        assert raised.value.retryable
    with pytest.raises(ConnectRefused, match="cannot be reached") as raised:
        await client.create_client_secret()
    assert raised.value.retryable


async def test_through_a_proxy() -> None:
    async with connect_proxy("403 Forbidden") as proxy:
        settings = ConnectionSettings(proxy=proxy.url, attempts=1)
        client = OpenAIRealtimeClient("m", api_key="sk-1", base_url="https://api.example.com/v1", connection=settings)
        with pytest.raises(ConnectRefused, match="cannot be reached"):
            await client.create_client_secret()
        assert proxy.requests[0].startswith("CONNECT api.example.com:443 ")


@pytest.mark.parametrize("body", ["", "null", "[]", "{}", '{"value":""}', '{"value":7}', "nonsense", "[" * 100_000])
def test_an_answer_without_a_secret(body: str) -> None:
    with pytest.raises(ConnectRefused, match="holds no client secret"):
        read_client_secret(body, "openai")


def test_a_secret_as_older_servers_write_it() -> None:
    secret = read_client_secret('{"id":"sess_1","client_secret":{"value":"ek_1","expires_at":5}}', "openai")
    assert secret.value.reveal() == "ek_1"
    assert secret.expires_at == 5


def test_that_the_session_shows_no_keys() -> None:
    tool = {"type": "mcp", "server_label": "a", "authorization": "hidden-1", "headers": {"X-Key": "hidden-2"}}
    session = {"id": "sess_1", "tools": [tool], "client_secret": {"value": "hidden-3"}}
    secret = read_client_secret(json.dumps({"value": "hidden-4", "session": session}), "openai")
    assert secret.session == {"id": "sess_1", "tools": [{"type": "mcp", "server_label": "a"}]}
    assert "hidden" not in repr(secret)
    assert b"hidden" not in msgspec.json.encode(secret)


async def test_without_httpx2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(MissingDependency, match=r'pip install "duologue\[http\]"'):
        await OpenAIRealtimeClient("m", api_key="sk-1").create_client_secret()


async def test_a_client_that_is_closed() -> None:
    client = OpenAIRealtimeClient("m", api_key="sk-1")
    await client.aclose()
    with pytest.raises(InvalidInput, match="This client is closed"):
        await client.create_client_secret()
