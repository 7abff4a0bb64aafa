"""What a refusal becomes: its code, its id, whether to try again, and what to do."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import pytest

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.errors import ConnectRefused, CutOff, Expired, HungUp, InvalidInput, SessionEnded
from duologue.providers import (
    AzureOpenAIRealtimeClient,
    ConnectionSettings,
    OpenAICompatibleRealtimeClient,
    OpenAIRealtimeClient,
    Refusal,
    VoiceLiveRealtimeClient,
    XAIRealtimeClient,
)
from duologue.providers.masking import masked
from duologue.providers.refusals import read_body, retry_after
from duologue.secret import Secret
from realtime_server import RealtimeServer, Step, accept, part, realtime_server, refuse, say
from websocket_servers import TEXT, Peer, close_frame

ONCE = ConnectionSettings(attempts=1, proxy=None)
KEY = "my-private-token-4711"  # that looks like no key


async def refused_with(step: Step, make: Any = None) -> ConnectRefused:
    """What a client raises when the server does that, once."""
    async with realtime_server(step) as server:
        make = make or OpenAIRealtimeClient
        client = make("m", api_key=KEY, base_url=server.url(), connection=ONCE)
        with pytest.raises(ConnectRefused) as raised:
            await client.create_session()
        assert len(server.requests) == 1
    shown = "".join(traceback.format_exception(raised.value))
    assert KEY not in shown
    return raised.value


def said(message: str = "It says why.", **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


@pytest.mark.parametrize(
    ("status", "body", "code", "retryable", "hint"),
    [
        (400, said(code="invalid_model"), "invalid_model", False, "Check the model"),
        (401, said(code="invalid_api_key"), "invalid_api_key", False, "OPENAI_API_KEY"),
        (401, said(), None, False, "OPENAI_API_KEY"),
        (
            403,
            said(code="unsupported_country_region_territory"),
            "unsupported_country_region_territory",
            False,
            "region",
        ),
        (404, said(code="model_not_found"), "model_not_found", False, "no such model"),
        (408, said(), None, True, "problem of its own"),
        (422, said(), None, False, "Check the model"),
        (429, said(code="rate_limit_exceeded"), "rate_limit_exceeded", True, "Wait a little"),
        (429, said(code=None, type="requests"), "requests", True, "Wait a little"),
        (429, said(code="insufficient_quota"), "insufficient_quota", False, "no credit left"),
        (429, said(type="insufficient_quota"), "insufficient_quota", False, "no credit left"),
        (402, said(), None, False, "no credit left"),
        (500, said(code="server_error"), "server_error", True, "problem of its own"),
        (501, said(), None, False, "that of a realtime API"),
        (503, said(), None, True, "problem of its own"),
        (529, said(), None, True, "problem of its own"),
        (200, "<html>hello</html>", None, False, "that of a realtime API"),
        (426, said(), None, False, "that of a realtime API"),
    ],
)
async def test_a_refusal(status: int, body: Any, code: str | None, retryable: bool, hint: str) -> None:
    refused = await refused_with(refuse(status, body, X_Request_Id="req_9"))
    assert isinstance(refused, Refusal)
    assert refused.status == status
    assert refused.provider == "openai"
    assert refused.code == code
    assert refused.request_id == "req_9"
    assert refused.retryable is retryable
    assert hint in refused.hint
    assert f"status {status}" in refused.message
    assert ("It says why." in refused.message) is (status != 200)
    assert refused.close_code is None


async def test_a_redirect() -> None:
    target = f"https://elsewhere.example/v1/realtime?key={KEY}"
    refused = await refused_with(refuse(307, Location=target))
    assert not refused.retryable
    assert "would carry the key elsewhere" in refused.hint
    assert "It points to https://elsewhere.example/v1/realtime." in refused.hint


async def test_how_long_to_wait() -> None:
    refused = await refused_with(refuse(429, said(), Retry_After="7"))
    assert isinstance(refused, Refusal)
    assert refused.retry_after == 7
    assert refused.hint.endswith("It asks to wait 7 s.")


@pytest.mark.parametrize(
    ("make", "status", "hint"),
    [
        (lambda m, base_url, **given: AzureOpenAIRealtimeClient(m, endpoint=base_url, **given), 401, "api-version"),
        (lambda m, base_url, **given: AzureOpenAIRealtimeClient(m, endpoint=base_url, **given), 403, "region"),
        (lambda m, base_url, **given: AzureOpenAIRealtimeClient(m, endpoint=base_url, **given), 404, "*deployment*"),
        (lambda m, base_url, **given: VoiceLiveRealtimeClient(m, endpoint=base_url, **given), 401, "ai.azure.com"),
        (XAIRealtimeClient, 401, "XAI_API_KEY"),
        (
            lambda m, base_url, **given: OpenAICompatibleRealtimeClient(base_url, model=m, **given),
            401,
            "The server wants a key",
        ),
    ],
)
async def test_the_hints_of_a_provider(make: Any, status: int, hint: str) -> None:
    assert hint in (await refused_with(refuse(status), make)).hint


async def test_that_keys_in_a_body_do_not_show() -> None:
    body = said(f"Incorrect API key: {KEY}. Also Bearer abc.def and ek_1234567890.", code=KEY)
    refused = await refused_with(refuse(401, body))
    assert "Incorrect API key: ***" in str(refused)
    assert refused.code == "***"
    for secret in (KEY, "abc.def", "1234567890"):
        assert secret not in str(refused)
        assert secret not in repr(refused.__dict__)


async def test_nobody_there() -> None:
    async with realtime_server() as server:
        url = server.url()
    client = OpenAIRealtimeClient("m", api_key=KEY, base_url=url, connection=ONCE)
    with pytest.raises(ConnectRefused, match="cannot be reached") as raised:
        await client.create_session()
    assert raised.value.retryable
    assert "OPENAI_BASE_URL" in raised.value.hint
    assert raised.value.request_id is None


async def test_that_a_key_does_not_show_where_a_text_is_cut() -> None:
    for before in range(270, 302):
        text, _ = read_body("x " * (before // 2) + KEY, [Secret.of(KEY)])
        assert "my-" not in text


async def test_a_date_that_no_calendar_has() -> None:
    refused = await refused_with(refuse(429, said(), Retry_After=f"Wed, 21 Oct {'9' * 30} 07:28:00 GMT"))
    assert isinstance(refused, Refusal)
    assert refused.retry_after is None


# --- refusals on an open connection ---


def in_band(**error: Any) -> dict[str, Any]:
    return {"type": "error", "error": {"type": "invalid_request_error", "message": f"No. {KEY}", **error}}


@pytest.mark.parametrize(
    ("code", "retryable", "hint"),
    [
        ("invalid_api_key", False, "OPENAI_API_KEY"),
        ("insufficient_quota", False, "no credit left"),
        ("model_not_found", False, "no such model"),
        ("session_limit_reached", True, "Wait a little"),
        ("server_error", True, "problem of its own"),
        ("something_else", False, "Check the model"),
    ],
)
async def test_a_refusal_in_band(code: str, retryable: bool, hint: str) -> None:
    refused = await refused_with(part(1000, "", in_band(code=code)))
    assert refused.message == "No. ***"
    assert refused.code == code
    assert refused.retryable is retryable
    assert hint in refused.hint
    assert refused.request_id == "req_socket"


@pytest.mark.parametrize(
    ("kind", "retryable", "hint"),
    [
        ("rate_limit_error", True, "Wait a little"),
        ("session_limit_reached", True, "Wait a little"),
        ("server_error", True, "problem of its own"),
        ("authentication_error", False, "OPENAI_API_KEY"),
    ],
)
async def test_a_refusal_in_band_that_has_only_a_type(kind: str, retryable: bool, hint: str) -> None:
    refused = await refused_with(part(1000, "", in_band(type=kind)))
    assert refused.code == kind
    assert refused.retryable is retryable
    assert hint in refused.hint


@pytest.mark.parametrize(
    ("close", "code", "retryable", "hint"),
    [
        (1000, "insufficient_quota", False, "no credit left"),
        (1011, "insufficient_quota", False, "no credit left"),
        (1012, "insufficient_quota", True, "restarts"),
        (None, "insufficient_quota", True, "Open a new session"),
        (1000, "invalid_api_key", False, "OPENAI_API_KEY"),
        (1000, "rate_limit_exceeded", True, "Open a new one"),
        (1000, "not_found", True, "Open a new one"),  # an item, perhaps
        (1008, "rate_limit_exceeded", False, "check the key"),
    ],
)
async def test_an_error_that_ends_a_session(close: int | None, code: str, retryable: bool, hint: str) -> None:
    async with realtime_server(leave(close, error=code, type="tokens")) as server:
        session = await LOGINS["bearer"](server.url()).create_session()
        with pytest.raises(HungUp if close else CutOff) as raised:
            async for _ in session:
                pass
        await session.aclose()
    end = raised.value
    assert (end.code, end.retryable) == (code if close else None, retryable)
    assert hint in end.hint


async def test_that_a_key_in_a_code_does_not_show() -> None:
    refused = await refused_with(part(1000, "", in_band(code=KEY, param=KEY)))
    assert refused.code == "***"
    assert KEY not in repr(refused.__dict__)


@pytest.mark.parametrize(
    ("code", "retryable"), [(1000, True), (1008, False), (1011, True), (1013, True), (3000, False), (4001, False)]
)
async def test_a_close_before_the_session(code: int, retryable: bool) -> None:
    refused = await refused_with(part(code, f"Bye, {KEY}"))
    assert refused.message == "Bye, ***"
    assert refused.close_code == code
    assert refused.retryable is retryable
    assert refused.request_id == "req_socket"


# --- the end of a session ---


def leave(code: int | None, *, error: str = "invalid_value", **more: Any) -> Step:
    """Confirm the session, report an error, and close or drop the connection."""

    async def step(peer: Peer, server: RealtimeServer) -> None:
        await accept(peer, server)
        say(peer, server.created)
        await peer.receive_kind(TEXT)
        say(peer, {"type": "session.updated", "session": {}})
        say(peer, in_band(code=error, param=KEY, **more))
        if code is None:
            peer.reset()
            return
        peer.send(close_frame(code, f"Bye, {KEY}"))
        await peer.at_end()

    return step


LOGINS: dict[str, Callable[[str], RealtimeClient]] = {
    "bearer": lambda url: OpenAIRealtimeClient("m", api_key=KEY, base_url=url, connection=ONCE),
    "api-key": lambda url: AzureOpenAIRealtimeClient("m", api_key=KEY, endpoint=url, connection=ONCE),
    "header": lambda url: OpenAICompatibleRealtimeClient(
        url, model="m", connection=ConnectionSettings(proxy=None, headers={"Authorization": f"Token {KEY}"})
    ),
    "subprotocol": lambda url: OpenAICompatibleRealtimeClient(
        url, model="m", connection=ConnectionSettings(proxy=None, subprotocols=("realtime", f"insecure-api-key.{KEY}"))
    ),
}


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (leave(1008), HungUp),
        (leave(1000, error="session_expired"), Expired),
        (leave(None), CutOff),
    ],
    ids=["hung up", "expired", "dropped"],
)
@pytest.mark.parametrize("login", LOGINS)
async def test_that_a_key_does_not_show_in_the_end(login: str, step: Step, kind: type[SessionEnded]) -> None:
    async with realtime_server(step) as server:
        session = await LOGINS[login](server.url()).create_session()
        with pytest.raises(SessionEnded) as raised:
            async for _ in session:
                pass
        await session.aclose()
    end = raised.value
    assert type(end) is kind
    assert end is session.ended
    assert "***" in str(end)
    assert end.last_error is not None
    assert end.last_error.param == "***"
    assert KEY not in "".join(traceback.format_exception(end))
    assert KEY not in repr(end.__dict__)


FAILED = {"type": "error", "code": KEY, "message": f"No. {KEY}"}
FAILED_RESPONSE = {"id": "r", "status": "failed", "status_details": {"type": "failed", "error": FAILED}}
ERRORS = [
    (in_band(code=KEY, param=KEY), m.ErrorReported),
    ({"type": "response.done", "response": FAILED_RESPONSE}, m.ResponseDone),
    (
        {"type": "conversation.item.input_audio_transcription.failed", "item_id": "i", "error": FAILED},
        m.InputTranscriptFailed,
    ),
]


@pytest.mark.parametrize(("event", "kind"), ERRORS)
@pytest.mark.parametrize("login", LOGINS)
async def test_that_a_key_does_not_show_in_messages(
    login: str, event: dict[str, Any], kind: type[m.ServerMessage]
) -> None:
    async def step(peer: Peer, server: RealtimeServer) -> None:
        await accept(peer, server)
        say(peer, server.created)
        await peer.receive_kind(TEXT)
        say(peer, {"type": "session.updated", "session": {}})
        say(peer, event)
        peer.send(close_frame(1000, ""))
        await peer.at_end()

    told: list[m.ServerMessage] = []
    async with realtime_server(step) as server, LOGINS[login](server.url()).create_session() as session:
        with pytest.raises(HungUp):
            await session.listen(told.append)
    assert KEY not in repr(told)
    (said,) = [message for message in told if isinstance(message, kind)]
    assert "***" in repr(said)


# --- the parts ---


@pytest.mark.parametrize(
    ("body", "text", "code"),
    [
        ('{"error":{"message":"m","code":"c","type":"t"}}', "m", "c"),
        ('{"error":{"message":"m","code":null,"type":"t"}}', "m", "t"),
        ('{"error":{"code":"401","message":"m"}}', "m", "401"),
        ('{"error":{"code":401,"message":"m"}}', "m", "401"),
        ('{"error":"m","code":"c"}', "m", "c"),  # xAI
        ('{"error":"m"}', "m", None),
        ('{"message":"m"}', "m", None),
        ('{"detail":"m"}', "m", None),
        ('{"detail":[{"loc":[]}]}', "", None),
        ('{"error":{"message":7,"code":[]}}', "", None),
        ('{"error":{"message":"m","code":true}}', "m", None),
        ('"m"', "m", None),
        ("[1]", "", None),
        ("m  n\n o", "m n o", None),
        ("<html><body>m", "", None),
        ("", "", None),
        ("[" * 100_000, "[" * 300 + "…", None),
    ],
    ids=range(17),
)
def test_bodies(body: str, text: str, code: str | None) -> None:
    assert read_body(body) == (text, code)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 20.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:00:00 GMT"}, 0.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "1.2.3"}, None),
        ({"retry-after": "²"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": f"Wed, 21 Oct {'9' * 30} 07:28:00 GMT"}, None),
        ({"retry-after": f"Wed, {'9' * 30} Oct 2015 07:28:00 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 +99999999999999999999"}, None),
    ],
)
def test_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=lambda: 1445412460.0) == seconds


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Key sk-abcdef1234 is wrong.", "Key *** is wrong."),
        ("Key sk-abc***wxyz.", "Key ***."),
        ("Use ek_12345 or xai-12345, not SK-12345", "Use *** or ***, not ***"),
        ("Bearer abc/def+== x", "Bearer *** x"),
        ("Token eyJhbGci.eyJzdWIi.c2ln!", "Token ***!"),
        ("mine-is-plain and short", "*** and short"),
        ("task-oriented, risk-free, disk_cache", "task-oriented, risk-free, disk_cache"),
        ("abc", "abc"),
    ],
)
def test_masking(text: str, shown: str) -> None:
    assert masked(text, [Secret.of("mine-is-plain"), Secret.of("abc")]) == shown


def test_masking_of_a_secret_within_another() -> None:
    assert masked(f"No. {KEY}", [Secret.of("my-private"), Secret.of(KEY)]) == "No. ***"


# --- settings ---


@pytest.mark.parametrize(
    "settings",
    [
        {"connect_timeout": 0},
        {"open_timeout": -1},
        {"send_timeout": float("nan")},
        {"attempts": 0},
        {"proxy": False},
        {"proxy": b"http://secret"},
        {"transport": "carrier-pigeon"},
        {"headers": {"Bad Name": "sk-secret"}},
        {"headers": {"X": "sk-secret\r\nY: 1"}},
        {"headers": {"Sec-WebSocket-Key": "sk-secret"}},
        {"headers": {"Host": "sk-secret"}},
        {"subprotocols": ("a, sk-secret",)},
    ],
)
def test_settings_that_are_wrong(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as raised:
        ConnectionSettings(**settings)
    assert "secret" not in str(raised.value)


def test_that_settings_show_no_secret() -> None:
    settings = ConnectionSettings(
        proxy="http://user:sk-secret@proxy", headers={"X": "sk-secret"}, subprotocols=("sk-secret",)
    )
    assert "secret" not in repr(settings)
