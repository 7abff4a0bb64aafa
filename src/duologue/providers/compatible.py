"""Servers that speak OpenAI's realtime wire: hosted elsewhere, in the house, or on this machine."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from duologue.capabilities import Capabilities
from duologue.errors import InvalidInput
from duologue.options import SessionOptions
from duologue.protocols.openai import (
    LOCALAI,
    OPENAI,
    QWEN,
    SPEACHES,
    SPEECH_TO_SPEECH,
    VLLM_TRANSCRIPTION,
    Dialect,
)
from duologue.providers.connection import ConnectionSettings
from duologue.providers.keys import ApiKey, bearer, checked_source, current_key
from duologue.providers.openai_wire import OpenAIWireClient, is_transcription
from duologue.providers.refusals import Advice
from duologue.providers.urls import Address, read_address, with_ending
from duologue.providers.websocket_client import Headers

_ADVICE = Advice(
    key="The server wants a key, or another one: check api_key.",
    place="There is no such model or path: check model, and base_url, which usually ends with /v1.",
    unreachable="Check that the server runs, base_url, and the proxy if there is one (NO_PROXY).",
)


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between servers beside what they say.

    Attributes:
        dialect: How it says things.
        path: Where the API is, when the base URL has no path.
        needs_model: Whether there is no session without a model.
        names_transcriber: Whether the model in the URL of a transcription session is the one that transcribes.
    """

    dialect: Dialect
    path: str = "/v1/realtime"
    needs_model: bool = True
    names_transcriber: bool = False


SERVERS = {
    "openai": Server(dialect=replace(OPENAI, provider="openai-compatible"), needs_model=False),
    "localai": Server(dialect=LOCALAI),
    "qwen": Server(dialect=QWEN, path="/api-ws/v1/realtime"),
    "speaches": Server(dialect=SPEACHES, names_transcriber=True),
    "speech-to-speech": Server(dialect=SPEECH_TO_SPEECH, needs_model=False),
    "vllm": Server(dialect=VLLM_TRANSCRIPTION),
}
"""Servers by the names of their dialects."""


class OpenAICompatibleRealtimeClient(OpenAIWireClient):
    """Any server that speaks OpenAI's realtime wire.

    Args:
        base_url: Where it is, e.g. ``"http://localhost:8080/v1"``; parameters after ``?`` go with every URL.
        dialect: How it says things: ``"openai"``, ``"localai"``, ``"speaches"``, ``"speech-to-speech"``, ``"qwen"``,
            ``"vllm"``, or a `Dialect` of your own.
        model: The model, unless a session's options name another.
        api_key: A key, or a function that fetches one for every connection. By default none is sent.
        defaults: Options that hold for every session unless it states others.
        connection: How to connect.

    Raises:
        InvalidInput: `base_url` is no address, `api_key` no key, or there is no such dialect.
    """

    def __init__(
        self,
        base_url: str,
        *,
        dialect: Dialect | str = "openai",
        model: str | None = None,
        api_key: ApiKey | None = None,
        defaults: SessionOptions | None = None,
        connection: ConnectionSettings | None = None,
    ) -> None:
        self._server = _server(dialect)
        super().__init__(
            self._server.dialect, model=model or None, advice=_ADVICE, defaults=defaults, connection=connection
        )
        self._key = checked_source(api_key, "api_key")
        self._address = read_address(base_url, "base_url", plain=True, query=True)

    def address(self) -> Address:
        return self._address

    async def credentials(self) -> Headers:
        key = await current_key(self._key, provider=self._dialect.provider)
        return {} if key is None else {"Authorization": bearer(key)}

    def conversation_capabilities(self, options: SessionOptions) -> Capabilities:
        can = self._dialect.capabilities
        if self._server.names_transcriber:
            return replace(can, session_kinds=can.session_kinds | {"transcription"})
        return can

    def url(self, options: SessionOptions) -> str:
        return self._address.websocket(
            with_ending(self._address.path, "/realtime", self._server.path), self._query(options)
        )

    def _query(self, options: SessionOptions) -> dict[str, str | None]:
        if is_transcription(options, self.conversation_capabilities(options)):
            intent = {"intent": "transcription"}
            return {"model": self._transcriber(options), **intent} if self._server.names_transcriber else dict(intent)
        model = self.chosen_model(options)
        if model is None and self._server.needs_model:
            raise InvalidInput(f"{self._dialect.provider} needs a model: give model=...")
        return {} if self._dialect.model_beside_session else {"model": model}

    def _transcriber(self, options: SessionOptions) -> str:
        stated = None if options.transcription is None else getattr(options.transcription, "model", None)
        model = stated or self.chosen_model(options)
        if model is None:
            raise InvalidInput(f"{self._dialect.provider} needs a model that transcribes: give model=...")
        return model


def _server(dialect: Dialect | str) -> Server:
    if isinstance(dialect, Dialect):
        known = {server.dialect.provider: server for server in SERVERS.values()}
        server = known.get(dialect.provider, Server(dialect=dialect, needs_model=False))
        return replace(server, dialect=dialect)
    if dialect not in SERVERS:
        raise InvalidInput(f"There is no dialect {dialect!r}. There is: {', '.join(SERVERS)}, or a Dialect.")
    return SERVERS[dialect]
