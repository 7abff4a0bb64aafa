"""Vertex AI: where it is, which project is called, and Google's credentials."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from duologue.errors import ConnectRefused, InvalidInput
from duologue.protocols.gemini import VERTEX_AI
from duologue.providers import MissingKey, Refusal, VertexRealtimeClient
from duologue.testing import GeminiEmulator
from duologue.testing.loopback import HttpRequest, HttpResponse, LoopbackServer
from google_services import MODEL, ONCE, VARIABLES, opened

SERVICE = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def vertex(emulator: GeminiEmulator, **given: Any) -> VertexRealtimeClient:
    return VertexRealtimeClient(**{"model": MODEL, "base_url": emulator.url, "connection": ONCE, **given})


# --- where it is ---


@pytest.mark.parametrize(
    ("location", "endpoint"),
    [
        (None, "wss://aiplatform.googleapis.com"),
        ("global", "wss://aiplatform.googleapis.com"),
        ("europe-west4", "wss://europe-west4-aiplatform.googleapis.com"),
        ("us", "wss://aiplatform.us.rep.googleapis.com"),
        ("eu", "wss://aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_where_vertex_is(location: str | None, endpoint: str) -> None:
    assert VertexRealtimeClient(MODEL, location=location).metadata.endpoint == endpoint
    assert VertexRealtimeClient(MODEL, location=location, api_key="k").metadata.endpoint == (
        "wss://aiplatform.googleapis.com"
    )


async def test_vertex_with_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    async with GeminiEmulator(dialect=VERTEX_AI, api_key="token-1") as emulator:
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
        monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "us-central1")
        await opened(emulator, vertex(emulator, token_provider=lambda: "token-1"))
        [request] = emulator.requests
        assert (request.path, request.query) == (SERVICE, {})
        assert request.headers["authorization"] == "Bearer token-1"
        setup = emulator.session.received[0]["setup"]
        assert setup["model"] == f"projects/my-project/locations/us-central1/publishers/google/models/{MODEL}"
        await opened(
            emulator,
            vertex(emulator, token_provider=lambda: "token-1", model=f"publishers/google/models/{MODEL}", project="p"),
        )
        setup = emulator.session.received[0]["setup"]
        assert setup["model"] == f"projects/p/locations/us-central1/publishers/google/models/{MODEL}"
        with pytest.raises(Refusal, match="invalid authentication") as refused:
            await vertex(emulator, token_provider=lambda: "token-2").create_session()
        assert "gcloud auth application-default login" in refused.value.hint


async def test_vertex_with_a_key() -> None:
    async with GeminiEmulator(dialect=VERTEX_AI, api_key="key-1") as emulator:
        await opened(emulator, vertex(emulator, api_key="key-1"))
        assert emulator.requests[0].headers["x-goog-api-key"] == "key-1"
        assert emulator.session.received[0]["setup"]["model"] == f"publishers/google/models/{MODEL}"


async def test_that_vertex_needs_a_project() -> None:
    async with GeminiEmulator(dialect=VERTEX_AI) as emulator:
        with pytest.raises(InvalidInput, match="GOOGLE_CLOUD_PROJECT"):
            await vertex(emulator, token_provider=lambda: "t").create_session()
        assert not emulator.requests


# --- Google's credentials ---


class TokenEndpoint:
    """Where service accounts get their access tokens. It runs on the event loop of the test, which must go on."""

    def __init__(self) -> None:
        self.issued = 0
        self.seconds = 3_600
        self.status = 200
        self.server = LoopbackServer(lambda connection: None, answer_http=self._answer)

    def _answer(self, request: HttpRequest) -> HttpResponse:
        self.issued += 1
        body = {"access_token": f"ya29.token-{self.issued}", "expires_in": self.seconds, "token_type": "Bearer"}
        answer = body if self.status == 200 else {"error": "invalid_grant"}
        return HttpResponse(self.status, {"content-type": "application/json"}, json.dumps(answer).encode())


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes the application default credentials of a service account that gets its tokens at an address."""
    pytest.importorskip("google.auth")
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")

    def make(url: str) -> None:
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        credentials = {
            "type": "service_account",
            "project_id": "project-of-the-account",
            "private_key_id": "1",
            "private_key": key.decode(),
            "client_email": "tester@project-of-the-account.iam.gserviceaccount.com",
            "token_uri": f"{url}/token",
        }
        path = tmp_path / "credentials.json"
        path.write_text(json.dumps(credentials))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        monkeypatch.setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "project-that-pays")

    return make


async def test_the_application_default_credentials(account: Callable[[str], None]) -> None:
    tokens = TokenEndpoint()
    async with tokens.server, GeminiEmulator(dialect=VERTEX_AI) as emulator:
        account(tokens.server.http_url)
        async with vertex(emulator) as client:
            for _ in range(2):
                await (await client.create_session()).aclose()
            assert tokens.issued == 1  # it is good for an hour
            assert emulator.requests[0].headers["authorization"] == "Bearer ya29.token-1"
            assert emulator.requests[0].headers["x-goog-user-project"] == "project-that-pays"
            setup = emulator.session.received[0]["setup"]
            assert setup["model"].startswith("projects/project-of-the-account/locations/global/")


async def test_that_credentials_are_refreshed_for_every_connection(account: Callable[[str], None]) -> None:
    tokens = TokenEndpoint()
    tokens.seconds = 1  # runs out at once
    async with tokens.server, GeminiEmulator(dialect=VERTEX_AI) as emulator, vertex(emulator) as client:
        account(tokens.server.http_url)
        for _ in range(2):
            await (await client.create_session()).aclose()
        used = [request.headers["authorization"] for request in emulator.requests]
        assert used == ["Bearer ya29.token-1", "Bearer ya29.token-2"]


async def test_that_a_refused_refresh_says_so(account: Callable[[str], None]) -> None:
    tokens = TokenEndpoint()
    tokens.status = 400
    async with tokens.server, GeminiEmulator(dialect=VERTEX_AI) as emulator:
        account(tokens.server.http_url)
        with pytest.raises(ConnectRefused, match="RefreshError") as refused:
            await vertex(emulator).create_session()
        assert not refused.value.retryable
        assert "gcloud auth application-default login" in refused.value.hint
        assert not emulator.requests


async def test_that_there_are_no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("google.auth")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(MissingKey, match="gcloud auth"):
        await VertexRealtimeClient(MODEL, project="p", connection=ONCE).create_session()
