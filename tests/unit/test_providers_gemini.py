"""Gemini Live on both of Google's services: where clients connect, who they say they are, what refusals mean."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from duologue import messages as m
from duologue.errors import ConnectRefused, InvalidInput, UnsupportedOperation
from duologue.options import NoiseReduction, SessionOptions
from duologue.protocols.gemini import GEMINI
from duologue.protocols.gemini.dialect import GEMINI_2_5, GEMINI_3_8
from duologue.providers import (
    ConnectionSettings,
    GeminiAssumptions,
    GeminiRealtimeClient,
    GeminiSessionOptions,
    MissingKey,
    Refusal,
    VertexRealtimeClient,
)
from duologue.session import RealtimeSession
from duologue.testing import GeminiEmulator
from duologue.testing.gemini_emulator.admission import Token
from google_services import MODEL, ONCE, VARIABLES, opened

SERVICE = "/ws/google.ai.generativelanguage.{}.GenerativeService.{}"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def gemini(emulator: GeminiEmulator, **given: Any) -> GeminiRealtimeClient:
    settings = {"model": MODEL, "api_key": "key-1", "base_url": emulator.url, "connection": ONCE, **given}
    return GeminiRealtimeClient(**settings)


# --- where, and with which key ---


async def test_gemini() -> None:
    async with GeminiEmulator() as emulator:
        await opened(emulator, gemini(emulator))
        [request] = emulator.requests
        assert request.path == SERVICE.format("v1beta", "BidiGenerateContent")
        assert request.query == {}
        assert request.headers["x-goog-api-key"] == "key-1"
        assert "authorization" not in request.headers
        assert emulator.session.received[0]["setup"]["model"] == f"models/{MODEL}"


async def test_gemini_out_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with GeminiEmulator() as emulator:
        client = GeminiRealtimeClient(MODEL)
        assert client.metadata.endpoint == "wss://generativelanguage.googleapis.com"
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", f"{emulator.http_url}/proxy")
        monkeypatch.setenv("GEMINI_API_KEY", "key-e")
        await opened(emulator, client)
        monkeypatch.setenv("GOOGLE_API_KEY", "key-g")  # counts more, as with Google's own libraries
        await opened(emulator, GeminiRealtimeClient(MODEL))
        assert [request.headers["x-goog-api-key"] for request in emulator.requests] == ["key-e", "key-g"]
        assert emulator.requests[0].path == "/proxy" + SERVICE.format("v1beta", "BidiGenerateContent")


async def test_a_key_that_is_fetched_for_every_connection() -> None:
    keys = iter(["key-1", "key-2"])

    async def fetch() -> str:
        return next(keys)

    async with GeminiEmulator() as emulator, gemini(emulator, api_key=fetch) as client:
        for _ in range(2):
            await (await client.create_session()).aclose()
        assert [request.headers["x-goog-api-key"] for request in emulator.requests] == ["key-1", "key-2"]


async def test_that_a_key_is_needed() -> None:
    async with GeminiEmulator() as emulator:
        with pytest.raises(MissingKey, match="GEMINI_API_KEY"):
            await gemini(emulator, api_key=None).create_session()
        assert not emulator.requests


@pytest.mark.parametrize(
    "options", [GeminiSessionOptions(affective_dialog=True), GeminiSessionOptions(proactive_audio=True)]
)
async def test_that_what_is_experimental_goes_where_it_is(options: SessionOptions) -> None:
    async with GeminiEmulator() as emulator:
        await opened(emulator, gemini(emulator), options)
        await opened(emulator, gemini(emulator, api_version="v1"), options)
        assert [request.path.split(".")[3] for request in emulator.requests] == ["v1alpha", "v1"]


async def test_that_headers_of_the_application_are_the_login() -> None:
    async with GeminiEmulator(api_key="own") as emulator:
        connection = ConnectionSettings(attempts=1, headers={"X-Goog-Api-Key": "own"})
        await opened(emulator, gemini(emulator, api_key=None, connection=connection))


@pytest.mark.parametrize(
    "make",
    [
        lambda: GeminiRealtimeClient("m", base_url="https://example.com/?key=k"),
        lambda: GeminiRealtimeClient("m", base_url="http://example.com"),
        lambda: GeminiRealtimeClient("m", api_version="v1/beta"),
        lambda: VertexRealtimeClient("m", location="evil.example/"),
        lambda: VertexRealtimeClient("m", project="../other"),
        lambda: VertexRealtimeClient("m", api_key="k", token_provider=lambda: "t"),
        lambda: VertexRealtimeClient("m", api_key="k", project="p"),
        lambda: VertexRealtimeClient("m", token_provider="token"),  # type: ignore[arg-type]
    ],
)
def test_what_makes_no_sense(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidInput):
        make()


@pytest.mark.parametrize("model", [None, "../m", "m?key=k", "m&n", "m n"])
async def test_that_a_model_is_needed(model: str | None) -> None:
    with pytest.raises(InvalidInput, match="model"):
        await GeminiRealtimeClient(model, api_key="key-1").create_session()


async def test_that_nothing_connects_for_what_cannot_be() -> None:
    async with GeminiEmulator() as emulator:
        for options in (SessionOptions(noise_reduction=NoiseReduction()), SessionOptions(speed=1.5)):
            with pytest.raises(UnsupportedOperation):
                await gemini(emulator).create_session(options)
        assert not emulator.requests


# --- refusals ---

REASONS: dict[str, tuple[int, str, str | None, bool, str]] = {
    "a wrong key": (
        1007,
        "API key not valid. Please pass a valid API key.",
        "UNAUTHENTICATED",
        False,
        "GEMINI_API_KEY",
    ),
    "no such model": (
        1008,
        "models/m is not found for API version v1beta, or is not supported for bidiGenerateContent. Call ListModels",
        "NOT_FOUND",
        False,
        "api_version",
    ),
    "no quota": (1011, "You exceeded your current quota, please check your plan", "RESOURCE_EXHAUSTED", True, "quota"),
    "an option": (1007, "Request contains an invalid argument.", None, False, "option"),
    "a policy": (1008, "Operation is not allowed.", None, False, "allow"),
    "an error of its own": (1011, "Internal error encountered.", None, True, "of its own"),
}


@pytest.mark.parametrize("name", REASONS)
async def test_what_a_refusal_at_the_beginning_means(name: str) -> None:
    close_code, reason, code, retryable, hint = REASONS[name]
    async with GeminiEmulator() as emulator:
        emulator.fail_opening(reason, code=close_code)
        with pytest.raises(ConnectRefused) as refused:
            await gemini(emulator).create_session()
        assert refused.value.message == reason
        assert (refused.value.close_code, refused.value.code) == (close_code, code)
        assert refused.value.retryable is retryable
        assert hint in refused.value.hint
        assert refused.value.provider == "gemini"


async def test_that_what_may_pass_is_tried_again() -> None:
    async def sleep(seconds: float) -> None:
        pass

    async with GeminiEmulator() as emulator:
        emulator.fail_opening("Internal error encountered.")
        emulator.refuse(503)
        patient = ConnectionSettings(attempts=3, sleep=sleep)
        await opened(emulator, gemini(emulator, connection=patient))
        assert len(emulator.requests) == 3


@pytest.mark.parametrize(
    ("status", "error", "code", "hint"),
    [
        (400, {"status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}, "API_KEY_INVALID", "the key"),
        (401, {"status": "UNAUTHENTICATED"}, "UNAUTHENTICATED", "the key"),
        (403, {"status": "PERMISSION_DENIED", "details": "none"}, "PERMISSION_DENIED", "region"),
        (404, {"status": "NOT_FOUND"}, "NOT_FOUND", "api_version"),
        (429, {"status": "RESOURCE_EXHAUSTED"}, "RESOURCE_EXHAUSTED", "quota"),
    ],
)
async def test_what_a_refusal_over_http_means(status: int, error: dict[str, Any], code: str, hint: str) -> None:
    body = json.dumps({"error": {"code": status, "message": "No: AIzaSyA-secret-1234567890.", **error}}).encode()
    async with GeminiEmulator() as emulator:
        emulator.refuse(status, body=body)
        with pytest.raises(Refusal) as refused:
            await gemini(emulator).create_session()
        assert (refused.value.status, refused.value.code) == (status, code)
        assert hint in refused.value.hint
        assert "1234567890" not in str(refused.value)


async def test_that_no_key_shows_at_the_end() -> None:
    async with GeminiEmulator() as emulator, gemini(emulator, api_key="AIza-secret-1") as client:
        emulator.fail_opening("The key AIza-secret-1 and auth_tokens/secret-1 are none.", code=1007)
        with pytest.raises(ConnectRefused) as refused:
            await client.create_session()
        assert "secret" not in str(refused.value) + repr(vars(refused.value)) + repr(client)


# --- ephemeral tokens ---


async def reply_of(session: RealtimeSession) -> str:
    await session.send_text("Hello?")
    async for message in session:
        if isinstance(message, m.ResponseDone):
            return "".join(item.text for item in message.items if isinstance(item, m.MessageItem))
    raise AssertionError("no answer")


@pytest.mark.parametrize(("locks", "tools"), [("stated", 1), ("everything", 0)])
async def test_that_a_token_opens_the_session_that_it_was_made_for(locks: Any, tools: int) -> None:
    from duologue.tools import FunctionTool

    emulator = GeminiEmulator(lambda request: f"{request.instructions} {len(request.tools)}", api_key="key-1")
    async with emulator, gemini(emulator) as client:
        secret = await client.create_client_secret(SessionOptions(instructions="Be brief."), locks=locks)
        assert secret.expires_at is not None
        assert 50 < secret.expires_at - time.time() < 70
        assert "token" not in repr(secret)
        guest = gemini(emulator, api_key=secret.value)
        own = SessionOptions(instructions="Be long.", tools=(FunctionTool(name="f", parameters={"type": "object"}),))
        async with guest, guest.create_session(own) as session:
            assert await reply_of(session) == f"Be brief. {tools}"
        request = emulator.requests[-1]
        assert request.path == SERVICE.format("v1alpha", "BidiGenerateContentConstrained")
        assert request.query == {}
        assert request.headers["authorization"] == f"Token {secret.value.reveal()}"
        with pytest.raises(ConnectRefused, match="used up"):
            await gemini(emulator, api_key=secret.value).create_session()


async def test_what_a_token_cannot_hold() -> None:
    async with GeminiEmulator() as emulator, gemini(emulator) as client:
        wrong: dict[str, Any] = {"expires_after": 5, "session_seconds": 80_000, "uses": 0, "locks": "nothing"}
        for name, value in wrong.items():
            with pytest.raises(InvalidInput, match=name):
                await client.create_client_secret(**{name: value})
        for options in (SessionOptions(resume="handle"), SessionOptions(history=(m.MessageItem.user("Hi"),))):
            with pytest.raises(InvalidInput, match="no history and no handle"):
                await client.create_client_secret(options)


async def test_that_a_wrong_key_makes_no_token() -> None:
    async with GeminiEmulator(api_key="right") as emulator, gemini(emulator) as client:
        with pytest.raises(Refusal, match="API key not valid") as refused:
            await client.create_client_secret()
        assert "GEMINI_API_KEY" in refused.value.hint


def test_which_fields_a_token_binds() -> None:
    bound = {"model": "m", "generationConfig": {"temperature": 0.5, "topK": 2}, "tools": []}
    own = {"model": "n", "generationConfig": {"temperature": 1.0, "topK": 3}, "labels": {}}
    some = Token(bound, ("model", "generationConfig.topK", "absent.field"), 1, 0.0)
    assert some.over({**own, "generationConfig": {**own["generationConfig"]}}) == {  # type: ignore[dict-item]
        "model": "m",
        "generationConfig": {"temperature": 1.0, "topK": 2},
        "labels": {},
    }
    assert Token(bound, None, 1, 0.0).over(own) == {**bound, "sessionResumption": {}}
    assert Token({}, None, 1, 0.0).over(own) == own


# --- what they can do ---


def test_what_they_can_do() -> None:
    developer, cloud = GeminiRealtimeClient(MODEL).capabilities(), VertexRealtimeClient(MODEL).capabilities()
    assert "affective_dialog" in developer.options & cloud.options
    assert "speech_events" in cloud.options - developer.options
    assert VertexRealtimeClient(MODEL).capabilities(GeminiSessionOptions(speech_events=True)).speech_events
    assert GEMINI.provider == GeminiRealtimeClient(MODEL).metadata.provider
    assert {"instructions", "tools"} == GeminiRealtimeClient("gemini-3.8-live").capabilities().mutable_options


def test_that_what_is_taken_for_granted_can_be_stated() -> None:
    by_name = GeminiRealtimeClient("tuned", api_key="k")
    assert by_name.dialect_for(SessionOptions()).family == GEMINI_2_5
    assume = GeminiAssumptions(family="gemini-3.8", audio_stream_end=False, empty_turn_complete=False)
    stated = GeminiRealtimeClient("tuned", api_key="k", assume=assume)
    dialect = stated.dialect_for(SessionOptions())
    assert (dialect.family, dialect.ends_audio_stream, dialect.empty_requests) == (GEMINI_3_8, False, False)
    assert stated.capabilities().mutable_options == {"instructions", "tools"}
    on_vertex = VertexRealtimeClient("tuned", project="p", token_provider=lambda: "t")
    assert not on_vertex.dialect_for(SessionOptions()).ends_audio_stream
    told = VertexRealtimeClient(
        "tuned", project="p", token_provider=lambda: "t", assume=GeminiAssumptions(audio_stream_end=True)
    )
    dialect = told.dialect_for(SessionOptions())
    assert dialect.ends_audio_stream
    assert dialect.models.startswith("projects/p/")


def test_that_a_family_has_to_be_one() -> None:
    with pytest.raises(InvalidInput, match=r"gemini-3\.8, live-translate, not 'gemini-9'"):
        GeminiAssumptions(family="gemini-9")  # type: ignore[arg-type]
