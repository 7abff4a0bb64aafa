"""What each client asks for when it connects: the URL, the headers, the subprotocols."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from duologue.errors import InvalidInput, UnsupportedOperation
from duologue.options import OFF, SessionOptions, Transcription
from duologue.protocols.openai import LOCALAI, OPENAI
from duologue.providers import (
    AzureOpenAIRealtimeClient,
    ConnectionSettings,
    MissingKey,
    OpenAICompatibleRealtimeClient,
    OpenAIRealtimeClient,
    OpenAISessionOptions,
    VoiceLiveAgent,
    VoiceLiveRealtimeClient,
    XAIRealtimeClient,
)
from duologue.providers.websocket_client import WebSocketRealtimeClient
from duologue.secret import Secret
from realtime_server import RealtimeServer, realtime_server

_VARIABLES = (
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
    "OPENAI_API_VERSION",
    "AZURE_OPENAI_ENDPOINT",
    "AZURE_OPENAI_API_KEY",
    "AZURE_VOICE_LIVE_ENDPOINT",
    "AZURE_VOICE_LIVE_API_KEY",
    "XAI_API_KEY",
)
TRANSCRIPTION = SessionOptions(kind="transcription")

Make = Callable[[RealtimeServer], WebSocketRealtimeClient[Any]]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*_VARIABLES, "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


async def asked(make: Make, options: SessionOptions | None = None) -> RealtimeServer:
    """What the server saw of one session, which opened and closed."""
    async with realtime_server() as server:
        if isinstance(options, OpenAISessionOptions):
            server.greets = options.call_id is None
        async with make(server) as client, client.create_session(options):
            pass
        return server


def openai(server: RealtimeServer, **given: Any) -> OpenAIRealtimeClient:
    return OpenAIRealtimeClient(**{"model": "gpt-x", "api_key": "sk-1", "base_url": server.url("/v1"), **given})


def azure(server: RealtimeServer, **given: Any) -> AzureOpenAIRealtimeClient:
    login = {} if "token_provider" in given else {"api_key": "k-1"}
    return AzureOpenAIRealtimeClient("my-deployment", **{"endpoint": server.url(), **login, **given})


def voice_live(server: RealtimeServer, **given: Any) -> VoiceLiveRealtimeClient:
    return VoiceLiveRealtimeClient(**{"endpoint": server.url(), "api_key": "k-1", **given})


# --- OpenAI ---


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("", "/v1/realtime"),
        ("/", "/v1/realtime"),
        ("/v1", "/v1/realtime"),
        ("/v1/", "/v1/realtime"),
        ("/v1/realtime", "/v1/realtime"),
        ("/proxy", "/proxy/realtime"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "ws"])
async def test_openai(path: str, target: str, scheme: str) -> None:
    server = await asked(lambda server: openai(server, base_url=server.url(path, scheme)))
    assert server.targets == [f"{target}?model=gpt-x"]
    assert server.header("Authorization") == "Bearer sk-1"
    for absent in ("OpenAI-Beta", "OpenAI-Organization", "OpenAI-Project", "Sec-WebSocket-Protocol", "api-key"):
        assert server.header(absent) is None
    assert server.events[0]["session"] == {"type": "realtime"}


async def test_openai_out_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(server: RealtimeServer) -> OpenAIRealtimeClient:
        client = OpenAIRealtimeClient("gpt-x")
        assert client.metadata.endpoint == "wss://api.openai.com/v1"
        monkeypatch.setenv("OPENAI_BASE_URL", server.url("/e"))  # read when it connects
        monkeypatch.setenv("OPENAI_API_KEY", "sk-e")
        monkeypatch.setenv("OPENAI_ORG_ID", "org-e")
        monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-e")
        return client

    server = await asked(make)
    assert server.targets == ["/e/realtime?model=gpt-x"]
    assert server.header("Authorization") == "Bearer sk-e"
    assert server.header("OpenAI-Organization") == "org-e"
    assert server.header("OpenAI-Project") == "proj-e"


async def test_what_is_given_counts_more_than_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _VARIABLES:
        monkeypatch.setenv(name, "of-the-environment")
    server = await asked(lambda server: openai(server, organization="org-1", project="proj-1"))
    assert server.header("Authorization") == "Bearer sk-1"
    assert server.header("OpenAI-Organization") == "org-1"
    assert server.header("OpenAI-Project") == "proj-1"


async def test_the_model_of_a_session() -> None:
    server = await asked(openai, SessionOptions(model="gpt-y z"))
    assert server.targets == ["/v1/realtime?model=gpt-y%20z"]
    server = await asked(lambda server: openai(server, model=None, defaults=SessionOptions(model="gpt-d")))
    assert server.targets == ["/v1/realtime?model=gpt-d"]


async def test_a_conversation_without_a_model() -> None:
    async with realtime_server() as server:
        for client in (openai(server, model=None), openai(server, model="")):
            with pytest.raises(InvalidInput, match='needs a model: OpenAIRealtimeClient\\(model="gpt-realtime'):
                await client.create_session()
        assert server.requests == []


@pytest.mark.parametrize("model", [None, "gpt-x"])
async def test_a_transcription_session(model: str | None) -> None:
    options = SessionOptions(kind="transcription", transcription=Transcription(model="gpt-transcribe"))
    server = await asked(lambda server: openai(server, model=model), options)
    assert server.targets == ["/v1/realtime?intent=transcription"]
    assert server.events[0]["session"] == {
        "type": "transcription",
        "audio": {"input": {"transcription": {"model": "gpt-transcribe"}}},
    }


async def test_the_model_of_a_transcription_session() -> None:
    options = SessionOptions(kind="transcription", model="gpt-transcribe", transcription=Transcription(language="en"))
    server = await asked(openai, options)
    transcription = server.events[0]["session"]["audio"]["input"]["transcription"]
    assert transcription == {"model": "gpt-transcribe", "language": "en"}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (SessionOptions(kind="transcription", transcription=OFF), "has transcripts"),
        (
            SessionOptions(kind="transcription", model="a", transcription=Transcription(model="b")),
            "Two models are to transcribe",
        ),
        (OpenAISessionOptions(call_id="rtc_1", model="gpt-y"), "A call has its model already"),
        (SessionOptions(extra={"x": object()}), "cannot be written as JSON"),
    ],
)
async def test_options_that_contradict_each_other(options: SessionOptions, complaint: str) -> None:
    async with realtime_server() as server:
        with pytest.raises(InvalidInput, match=complaint):
            await openai(server).create_session(options)
        assert server.requests == []


async def test_that_the_session_object_is_made_once() -> None:
    made: list[dict[str, Any]] = []

    def factory(session: dict[str, Any]) -> dict[str, Any]:
        made.append(session)
        return {**session, "number": len(made)}

    server = await asked(openai, SessionOptions(raw_factory=factory))
    assert [event["session"]["number"] for event in server.events] == [1]
    assert len(made) == 1


async def test_that_a_call_is_a_conversation() -> None:
    client = OpenAIRealtimeClient("m", api_key="sk-1")
    with pytest.raises(UnsupportedOperation, match="the option call_id"):
        await client.create_session(OpenAISessionOptions(call_id="rtc_1", kind="transcription"))
    with pytest.raises(UnsupportedOperation, match="the option call_id"):
        await XAIRealtimeClient(api_key="xai-1").create_session(OpenAISessionOptions(call_id="rtc_1"))


async def test_a_call_that_runs_elsewhere() -> None:
    options = OpenAISessionOptions(call_id="rtc_1", instructions="Be brief.")
    server = await asked(openai, options)
    assert server.targets == ["/v1/realtime?call_id=rtc_1"]
    assert server.events[0]["session"] == {"type": "realtime", "instructions": "Be brief."}


# --- Azure ---


@pytest.mark.parametrize("path", ["", "/", "/openai", "/openai/v1", "/openai/v1/", "/openai/v1/realtime"])
async def test_azure(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-01-preview")  # of another SDK, and not ours to obey
    server = await asked(lambda server: azure(server, endpoint=server.url(path, "http")))
    assert server.targets == ["/openai/v1/realtime?model=my-deployment"]
    assert server.header("api-key") == "k-1"
    assert server.header("Authorization") is None
    assert server.events[0]["session"] == {"type": "realtime"}


async def test_azure_behind_a_gateway() -> None:
    server = await asked(lambda server: azure(server, endpoint=server.url("/voice/openai/v1")))
    assert server.path == "/voice/openai/v1/realtime"


async def test_azure_preview() -> None:
    server = await asked(lambda server: azure(server, api_version="2025-04-01-preview"), SessionOptions(voice="alloy"))
    assert server.path == "/openai/realtime"
    assert server.query == {"api-version": "2025-04-01-preview", "deployment": "my-deployment"}
    assert server.header("api-key") == "k-1"
    assert server.events[0]["session"] == {"voice": "alloy"}


async def test_azure_transcription_and_calls() -> None:
    server = await asked(azure, TRANSCRIPTION)
    assert server.targets == ["/openai/v1/realtime?intent=transcription"]
    server = await asked(azure, OpenAISessionOptions(call_id="rtc_1"))
    assert server.targets == ["/openai/v1/realtime?call_id=rtc_1"]


async def _token() -> str:
    return "entra-async"


@pytest.mark.parametrize(("provider", "token"), [(lambda: "entra", "entra"), (_token, "entra-async")])
async def test_azure_with_a_token(
    provider: Callable[[], str | Awaitable[str]], token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k-e")
    server = await asked(lambda server: azure(server, token_provider=provider))
    assert server.header("Authorization") == f"Bearer {token}"
    assert server.header("api-key") is None


async def test_azure_out_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    client = AzureOpenAIRealtimeClient("d")
    assert client.metadata.endpoint is None
    assert "endpoint=None" in repr(client)
    with pytest.raises(InvalidInput, match=r"needs an endpoint. Set the environment variable AZURE_OPENAI_ENDPOINT"):
        await client.create_session()
    async with realtime_server() as server:
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.url())
        with pytest.raises(MissingKey, match="AZURE_OPENAI_API_KEY, or pass api_key or token_provider"):
            await client.create_session()
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k-e")
        async with client.create_session():
            pass
        assert server.header("api-key") == "k-e"
        assert client.metadata.endpoint == server.url()


def test_azure_with_both_a_key_and_a_token() -> None:
    for make in (
        lambda: AzureOpenAIRealtimeClient("d", endpoint="https://r", api_key="k", token_provider=_token),
        lambda: VoiceLiveRealtimeClient("m", endpoint="https://r", api_key="k", token_provider=_token),
    ):
        with pytest.raises(InvalidInput, match="not both"):
            make()
    with pytest.raises(InvalidInput, match="token_provider is a function"):
        AzureOpenAIRealtimeClient("d", token_provider="token")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="deployment's name is empty"):
        AzureOpenAIRealtimeClient("")


# --- Voice Live ---


async def test_voice_live() -> None:
    server = await asked(lambda server: voice_live(server, model="gpt-realtime"))
    assert server.path == "/voice-live/realtime"
    assert server.query == {"api-version": "2026-07-15", "model": "gpt-realtime"}
    assert server.header("api-key") == "k-1"
    assert server.events[0]["session"] == {}


async def test_voice_live_with_an_agent() -> None:
    agent = VoiceLiveAgent("my-agent", "my-project")
    server = await asked(lambda server: voice_live(server, agent=agent))
    assert server.query == {"api-version": "2026-07-15", "agent-name": "my-agent", "agent-project-name": "my-project"}
    agent = VoiceLiveAgent("my-agent", "my-project", version="3", conversation_id="conv_1")
    server = await asked(lambda server: voice_live(server, agent=agent, api_version="2026-04-10"))
    assert server.query == {
        "api-version": "2026-04-10",
        "agent-name": "my-agent",
        "agent-project-name": "my-project",
        "agent-version": "3",
        "conversation-id": "conv_1",
    }


async def test_that_an_agent_has_its_own_instructions_and_model() -> None:
    client = VoiceLiveRealtimeClient(agent=VoiceLiveAgent("a", "p"), endpoint="https://r", api_key="k")
    with pytest.raises(UnsupportedOperation, match="the option instructions"):
        await client.create_session(SessionOptions(instructions="Be brief."))
    with pytest.raises(InvalidInput, match="An agent has its own model"):
        await client.create_session(SessionOptions(model="gpt-realtime"))


@pytest.mark.parametrize("given", [{}, {"model": "m", "agent": VoiceLiveAgent("a", "p")}, {"model": ""}])
def test_voice_live_needs_one_that_answers(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"either a model, such as .* or an agent"):
        VoiceLiveRealtimeClient(**given)


async def test_voice_live_out_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(server: RealtimeServer) -> VoiceLiveRealtimeClient:
        monkeypatch.setenv("AZURE_VOICE_LIVE_ENDPOINT", server.url("/"))
        monkeypatch.setenv("AZURE_VOICE_LIVE_API_KEY", "k-e")
        return VoiceLiveRealtimeClient("m")

    server = await asked(make)
    assert server.path == "/voice-live/realtime"
    assert server.header("api-key") == "k-e"


# --- xAI ---


async def test_xai(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAI_API_KEY", "xai-e")
    server = await asked(lambda server: XAIRealtimeClient(base_url=server.url("/v1")))
    assert server.targets == ["/v1/realtime?model=grok-voice-latest"]
    assert server.header("Authorization") == "Bearer xai-e"
    assert server.events[0]["session"] == {}
    server = await asked(lambda server: XAIRealtimeClient("grok-2", api_key="xai-1", base_url=server.url()))
    assert server.targets == ["/v1/realtime?model=grok-2"]
    assert server.header("Authorization") == "Bearer xai-1"
    assert XAIRealtimeClient().metadata.endpoint == "wss://api.x.ai/v1"


# --- compatible servers ---


@pytest.mark.parametrize(
    ("dialect", "model", "options", "target"),
    [
        ("openai", "m", None, "/v1/realtime?model=m"),
        ("openai", None, None, "/v1/realtime"),
        ("openai", "m", TRANSCRIPTION, "/v1/realtime?intent=transcription"),
        (OPENAI, "m", None, "/v1/realtime?model=m"),
        ("localai", "m", None, "/v1/realtime?model=m"),
        (LOCALAI, "m", None, "/v1/realtime?model=m"),
        ("speech-to-speech", None, None, "/v1/realtime"),
        ("qwen", "qwen3-omni", None, "/api-ws/v1/realtime?model=qwen3-omni"),
        ("speaches", "llm", None, "/v1/realtime?model=llm"),
        ("speaches", "whisper", TRANSCRIPTION, "/v1/realtime?model=whisper&intent=transcription"),
        (
            "speaches",
            "llm",
            SessionOptions(kind="transcription", transcription=Transcription(model="whisper")),
            "/v1/realtime?model=whisper&intent=transcription",
        ),
        (
            "speaches",
            "llm",
            SessionOptions(kind="transcription", model="whisper"),
            "/v1/realtime?model=whisper&intent=transcription",
        ),
    ],
)
async def test_a_compatible_server(
    dialect: Any, model: str | None, options: SessionOptions | None, target: str
) -> None:
    server = await asked(
        lambda server: OpenAICompatibleRealtimeClient(server.url(), dialect=dialect, model=model), options
    )
    assert server.targets == [target]
    assert server.header("Authorization") is None


async def test_vllm() -> None:
    async with realtime_server() as server:
        server.created = {"type": "session.created", "id": "sess_1", "created": 1}
        client = OpenAICompatibleRealtimeClient(server.url(), dialect="vllm", model="whisper")
        async with client.create_session(TRANSCRIPTION) as session:
            assert session.options.model == "whisper"
        assert server.targets == ["/v1/realtime"]
        assert server.events[0] == {"type": "session.update", "event_id": "session_options", "model": "whisper"}


@pytest.mark.parametrize("dialect", ["localai", "qwen", "speaches", "vllm"])
async def test_a_compatible_server_that_needs_a_model(dialect: str) -> None:
    client = OpenAICompatibleRealtimeClient("http://localhost:1", dialect=dialect)
    with pytest.raises(InvalidInput, match="needs a model"):
        await client.create_session()
    if dialect == "speaches":
        with pytest.raises(InvalidInput, match="needs a model that transcribes"):
            await client.create_session(TRANSCRIPTION)


async def test_a_compatible_server_with_more_in_its_url() -> None:
    server = await asked(
        lambda server: OpenAICompatibleRealtimeClient(
            server.url("/v1/realtime?language=en", "http"), dialect="speaches", model="m", api_key="sk-1"
        )
    )
    assert server.targets == ["/v1/realtime?model=m&language=en"]
    assert server.header("Authorization") == "Bearer sk-1"


def test_a_dialect_that_nobody_knows() -> None:
    with pytest.raises(InvalidInput, match=r"There is no dialect 'klingon'. There is: openai, localai"):
        OpenAICompatibleRealtimeClient("http://localhost", dialect="klingon")


# --- all of them ---


async def test_headers_and_subprotocols_of_the_application() -> None:
    settings = ConnectionSettings(
        headers={"X-Trace": "t", "authorization": Secret.of("Basic sk-2")}, subprotocols=("realtime", "key.sk-3")
    )
    server = await asked(lambda server: openai(server, connection=settings))
    assert server.header("X-Trace") == "t"
    assert server.requests[0].lower().count("authorization:") == 1
    assert server.header("Authorization") == "Basic sk-2"
    assert server.header("Sec-WebSocket-Protocol") == "realtime, key.sk-3"


async def test_that_a_key_is_fetched_for_every_connection() -> None:
    keys = iter(["sk-1", "sk-2"])
    async with realtime_server() as server:
        client = openai(server, api_key=lambda: next(keys))
        for key in ("sk-1", "sk-2"):
            async with client.create_session():
                assert server.header("Authorization") == f"Bearer {key}"


@pytest.mark.parametrize(
    "make",
    [
        lambda: OpenAIRealtimeClient("m", base_url="http://api.openai.com/v1"),
        lambda: XAIRealtimeClient(base_url="http://api.x.ai"),
        lambda: AzureOpenAIRealtimeClient("d", endpoint="http://r.openai.azure.com"),
        lambda: VoiceLiveRealtimeClient("m", endpoint="ws://r.services.ai.azure.com"),
        lambda: OpenAICompatibleRealtimeClient("localhost:8080"),
        lambda: OpenAIRealtimeClient("m", api_key=42),  # type: ignore[arg-type]
    ],
)
def test_what_is_wrong_is_said_at_once(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidInput):
        make()


async def test_an_environment_that_holds_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "sk-secret")
    with pytest.raises(InvalidInput, match="OPENAI_BASE_URL must begin with") as raised:
        await OpenAIRealtimeClient("m", api_key="sk-1").create_session()
    assert "secret" not in str(raised.value)


async def test_that_all_say_which_key_is_missing() -> None:
    for client, variable in (
        (OpenAIRealtimeClient("m"), "OPENAI_API_KEY"),
        (XAIRealtimeClient(), "XAI_API_KEY"),
        (AzureOpenAIRealtimeClient("d", endpoint="https://r"), "AZURE_OPENAI_API_KEY"),
        (VoiceLiveRealtimeClient("m", endpoint="https://r"), "AZURE_VOICE_LIVE_API_KEY"),
    ):
        with pytest.raises(MissingKey, match=variable):
            await client.create_session()
