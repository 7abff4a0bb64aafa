"""Where keys come from."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from duologue.errors import ConnectRefused, InvalidInput, SpeechFailed
from duologue.providers import AzureOpenAIRealtimeClient, ConnectionSettings, MissingKey, OpenAIRealtimeClient
from duologue.providers.keys import bearer, checked_source, current_key
from duologue.secret import Secret
from realtime_server import realtime_server

VARIABLE = "DUOLOGUE_TEST_KEY"


async def key_of(source: Any, variable: str | None = None) -> str | None:
    key = await current_key(checked_source(source, "api_key"), provider="Acme", variable=variable)
    return None if key is None else key.reveal()


class Vault:
    """An object that can be called, as those of azure.identity."""

    async def __call__(self) -> str:
        await asyncio.sleep(0)
        return "sk-object"


async def fetch(name: str = "async") -> str:
    await asyncio.sleep(0)
    return f"sk-{name}"


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ("sk-plain", "sk-plain"),
        (" sk-with-a-line-end\n", "sk-with-a-line-end"),
        (Secret.of("sk-secret"), "sk-secret"),
        (lambda: "sk-function", "sk-function"),
        (lambda: Secret.of("sk-of-function"), "sk-of-function"),
        (fetch, "sk-async"),
        (lambda: fetch("awaitable"), "sk-awaitable"),
        (functools.partial(fetch, "partial"), "sk-partial"),
        (Vault(), "sk-object"),
    ],
    ids=range(9),
)
async def test_a_key(source: Any, key: str) -> None:
    assert await key_of(source) == key


async def test_that_a_function_is_asked_every_time() -> None:
    keys = iter(["sk-1", "sk-2"])
    assert await key_of(source := lambda: next(keys)) == "sk-1"
    assert await key_of(source) == "sk-2"


async def test_that_a_plain_function_does_not_hold_up_the_loop() -> None:
    thread: list[int] = []

    def fetch_slowly() -> str:
        thread.append(threading.get_ident())
        return "sk-1"

    await key_of(fetch_slowly)
    assert thread != [threading.get_ident()]


async def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "sk-environment\n")
    assert await key_of(None, VARIABLE) == "sk-environment"
    monkeypatch.setenv(VARIABLE, "sk-later")
    assert await key_of(None, VARIABLE) == "sk-later"
    assert await key_of("sk-given", VARIABLE) == "sk-given"


@pytest.mark.parametrize("value", [None, "", "  "])
async def test_a_key_that_is_missing(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(MissingKey, match=f"Acme needs a key. Set the environment variable {VARIABLE}, or pass api_key"):
        await key_of(None, VARIABLE)


async def test_that_no_key_may_be_needed() -> None:
    assert await key_of(None) is None


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (lambda: None, "The function api_key gave NoneType, not a str"),
        (lambda: 42, "The function api_key gave int, not a str"),
        (lambda: b"sk-secret", "The function api_key gave bytes, not a str"),
        (lambda: "", "what the function api_key gave is empty"),
        ("", "api_key is empty"),
        ("sk secret", "no key in api_key: it holds blanks or characters"),
        ("sk-sécret", "no key in api_key: it holds blanks or characters"),
        ("sk-secret\r\nX-Evil: 1", "no key in api_key: it holds blanks or characters"),
    ],
)
async def test_what_is_no_key(source: Any, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint) as raised:
        await key_of(source)
    assert "secret" not in str(raised.value)
    assert "sécret" not in str(raised.value)


def test_what_can_give_no_key() -> None:
    with pytest.raises(InvalidInput, match="api_key is a str, a Secret or a function that gives one, not int"):
        checked_source(42, "api_key")  # type: ignore[arg-type]


async def test_a_function_that_raises() -> None:
    def broken() -> str:
        raise OSError("the vault is shut")

    with pytest.raises(ConnectRefused, match="the function api_key raised OSError") as raised:
        await key_of(broken)
    assert isinstance(raised.value.__cause__, OSError)
    assert raised.value.provider == "Acme"
    assert not raised.value.retryable


async def test_that_an_error_of_ours_stays_what_it_is() -> None:
    async def broken() -> str:
        raise SpeechFailed("It says why.")

    with pytest.raises(SpeechFailed):
        await key_of(broken)


async def test_that_fetching_can_be_cancelled() -> None:
    begun = asyncio.Event()

    async def never() -> str:
        begun.set()
        await asyncio.Event().wait()
        return ""

    fetching = asyncio.create_task(key_of(never))
    await begun.wait()
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching


@pytest.mark.parametrize("name", ["Authorization", "api-key", "API-KEY"])
async def test_that_headers_may_be_the_login(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("AZURE_OPENAI_API_KEY", raising=False)
    settings = ConnectionSettings(proxy=None, headers={name: "my-private-token-4711"})
    async with realtime_server() as server:
        url = server.url()
        for client in (
            OpenAIRealtimeClient("m", base_url=url, organization="org-1", project="proj-1", connection=settings),
            AzureOpenAIRealtimeClient("m", endpoint=url, connection=settings),
        ):
            async with client.create_session():
                assert server.header(name) == "my-private-token-4711"
        assert "OpenAI-Organization: org-1" in server.requests[0]
        assert "OpenAI-Project: proj-1" in server.requests[0]


async def test_that_other_headers_are_no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    settings = ConnectionSettings(proxy=None, headers={"X-Team": "voice"})
    with pytest.raises(MissingKey):
        await OpenAIRealtimeClient("m", connection=settings).create_session()


def test_that_nothing_shows() -> None:
    source: Callable[..., Any] | Secret | None = checked_source("sk-secret", "api_key")
    assert repr(source) == "***"
    assert repr(bearer(Secret.of("sk-secret"))) == "***"
    assert bearer(Secret.of("sk-1")).reveal() == "Bearer sk-1"
