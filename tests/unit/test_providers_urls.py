"""Addresses as people give them."""

from __future__ import annotations

import pytest

from duologue.errors import InvalidInput
from duologue.providers.urls import Address, read_address, with_ending


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("https://api.example.com/v1", "wss://api.example.com/v1"),
        ("https://api.example.com/v1/", "wss://api.example.com/v1"),
        ("https://api.example.com", "wss://api.example.com"),
        ("wss://api.example.com:8443/v1/realtime", "wss://api.example.com:8443/v1/realtime"),
        ("HTTPS://API.example.com/v1", "wss://API.example.com/v1"),
        ("http://localhost:8080/v1", "ws://localhost:8080/v1"),
        ("http://voice.localhost/v1", "ws://voice.localhost/v1"),
        ("ws://127.0.0.1:1/", "ws://127.0.0.1:1"),
        ("ws://127.8.8.8", "ws://127.8.8.8"),
        ("ws://[::1]:9", "ws://[::1]:9"),
        ("https://host:/v1", "wss://host/v1"),
    ],
)
def test_an_address(given: str, shown: str) -> None:
    assert str(read_address(given, "base_url")) == shown


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("", "must begin with https://"),
        ("sk-secret", "must begin with https://"),
        ("api.example.com/v1/sk-secret", "must begin with https://"),
        ("localhost:8080/sk-secret", "must begin with https://"),
        ("ftp://host/sk-secret", "must begin with https://"),
        ("https:///sk-secret", "name a host"),
        ("https://host:port/sk-secret", "malformed"),
        ("https://host:99999/sk-secret", "malformed"),
        ("https://[::1/sk-secret", "malformed"),
        ("https://host/sk-secret v1", "blanks"),
        ("https://host/v1\n", "blanks"),
        ("https://höst/sk-secret", "blanks, or characters"),
        ("https://sk-secret@host/v1", "no user name"),
        ("https://user:sk-secret@host/v1", "no user name"),
        ("https://host/v1?key=sk-secret", "must end with its path"),
        ("https://host/v1#sk-secret", "must end with its path"),
        ("http://api.example.com/sk-secret", "travel in the open"),
        ("ws://10.0.0.1/sk-secret", "travel in the open"),
        ("ws://localhost.example.com/sk-secret", "travel in the open"),
    ],
)
def test_what_is_no_address(given: str, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=f"MY_URL .*{complaint}") as raised:
        read_address(given, "MY_URL")
    assert "secret" not in str(raised.value)


def test_something_else_than_text() -> None:
    with pytest.raises(InvalidInput, match="base_url is a URL as a str, not bytes"):
        read_address(b"https://host", "base_url")  # type: ignore[arg-type]


def test_a_server_in_the_house_may_do_without_tls() -> None:
    assert str(read_address("http://speaches:8000/v1", "base_url", plain=True)) == "ws://speaches:8000/v1"


@pytest.mark.parametrize("name", ["key", "api_key", "API-Key", "token", "access_token"])
def test_that_a_query_holds_no_key(name: str) -> None:
    with pytest.raises(InvalidInput, match="must hold no key") as raised:
        read_address(f"https://host/v1?{name}=sk-secret", "base_url", query=True)
    assert "secret" not in str(raised.value)


def test_the_urls_of_an_address() -> None:
    address = read_address("https://host:8443/v1?language=en&x=", "base_url", query=True)
    assert address.websocket("/v1/realtime", {"model": "a b&c", "none": None}) == (
        "wss://host:8443/v1/realtime?model=a%20b%26c&language=en&x="
    )
    assert address.websocket("/p", {"language": "de"}) == "wss://host:8443/p?language=de&x="
    assert address.http("/v1/x") == "https://host:8443/v1/x?language=en&x="
    assert Address(False, "host").http("/v1") == "http://host/v1"
    assert Address(False, "host").websocket("/v1") == "ws://host/v1"


def test_paths() -> None:
    assert with_ending("", "/realtime", "/v1/realtime") == "/v1/realtime"
    assert with_ending("/v1", "/realtime", "/other") == "/v1/realtime"
    assert with_ending("/proxy/v1/realtime", "/realtime", "/other") == "/proxy/v1/realtime"
