"""The responder over a chat endpoint."""

from __future__ import annotations

import inspect
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import msgspec

from duologue.errors import InvalidInput, MissingDependency, SpeechFailed
from duologue.items import FunctionCall
from duologue.secret import Secret
from duologue.speech.chat.answer import AnswerReader, Chunk
from duologue.speech.chat.failures import Endpoint, request_errors, stream_errors
from duologue.speech.chat.request import messages_of, tools_of
from duologue.speech.responder import ResponderEvent, ResponderRequest
from duologue.tools import Tool

if TYPE_CHECKING:
    from openai import AsyncOpenAI, AsyncStream
    from openai.types.chat import ChatCompletionChunk

KeySource = Callable[[], str | Secret | Awaitable[str | Secret]]
ApiKey = str | Secret | KeySource
"""A key, or a function that fetches one; it is called for every request."""

SPOKEN_HINT = (
    "Your answers are spoken aloud. Answer briefly, in plain sentences, as in a conversation: no markup, no lists, "
    "no emoji, and no addresses that nobody would read out."
)
LONGEST_CONNECT = 5.0
"""Seconds that connecting may take, however long the answer may."""


class ChatResponder:
    """Answers with any model behind an OpenAI-compatible ``/chat/completions``, hosted or on this machine.

    Import time of the SDK is spent here, so make it before the conversation starts.

    Args:
        model: The model's name at the endpoint.
        base_url: The address of the API, such as ``"http://localhost:11434/v1"``; by default that of the
            environment (``OPENAI_BASE_URL``), else OpenAI's.
        api_key: The key, or a function that fetches one. By default that of the environment
            (``OPENAI_API_KEY``), but never for a `base_url` given here: a key goes where it belongs. Without a key
            none is sent.
        client: An `openai.AsyncOpenAI`, or a subclass such as that for Azure, instead of the three above and the two
            below. It stays the caller's: `aclose` leaves it open.
        temperature: Randomness, where a request states none; None: the model's own.
        timeout: Seconds until the endpoint sends something, and between two pieces; None for no limit.
        max_retries: How often a request is sent again that met a fault before the answer began.
        spoken_hint: Added to the instructions when the answer is spoken; None for nothing.
        max_tokens_field: The name by which the endpoint knows the bound of the answer. By default
            ``max_completion_tokens`` for OpenAI and Azure, whose newer models take no other, and ``max_tokens``,
            which is known most widely, for all else.
        extra_body: More fields for the request's JSON.

    Raises:
        MissingDependency: The SDK is not installed.
        InvalidInput: The address is none, OpenAI is asked without a key, or `client` comes with what it replaces.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: ApiKey | None = None,
        client: AsyncOpenAI | None = None,
        temperature: float | None = None,
        timeout: float | None = 60.0,
        max_retries: int = 1,
        spoken_hint: str | None = SPOKEN_HINT,
        max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None,
        extra_body: Mapping[str, object] | None = None,
    ) -> None:
        if client is not None and (base_url is not None or api_key is not None):
            raise InvalidInput("A client has its own address and key. Give either client, or base_url and api_key.")
        self._model = model
        self._owned = client is None
        self._key: Secret | KeySource | None
        if client is None:
            key = _key(base_url, api_key)
            client = _client(base_url, timeout, max_retries)
        else:
            key = client.api_key  # not sent by us, but it must not show either
        self._key = Secret.of(key) if isinstance(key, str) else key
        self._client = client
        self._completions = client.chat.completions  # here, because the first access imports
        self._host = _host(str(client.base_url))
        self._temperature = temperature
        self._spoken_hint = spoken_hint
        self._max_tokens_field = max_tokens_field or _max_tokens_field(self._host)
        self._extra_body = dict(extra_body or {})
        self._takes_stream_options: bool | None = None  # None: not known yet
        self._closed = False

    def expects(self, tools: tuple[Tool, ...]) -> tuple[str, ...]:
        """Nothing: a model can be asked anything."""
        return ()

    async def respond(self, request: ResponderRequest) -> AsyncGenerator[ResponderEvent, None]:
        """Answer: text as it comes, then calls. Closing the generator ends the HTTP stream.

        Raises:
            SpeechFailed: The endpoint is not there, refuses, breaks off or sends something else; what came before
                stands.
        """
        if self._closed:
            raise SpeechFailed("This ChatResponder is closed. Make a new one.")
        parameters = self._parameters(request)
        key = await self._current_key()
        endpoint = Endpoint(host=self._host, model=self._model, key=key)
        stream = await self._open(parameters, key, endpoint)
        calls = (item.call_id for item in request.items if isinstance(item, FunctionCall))
        answer = AnswerReader(frozenset(calls))
        async with aclosing(_chunks(stream, answer, endpoint)) as chunks:
            async for chunk in chunks:
                for event in answer.read(chunk):
                    yield event
        yield answer.finish()

    async def aclose(self) -> None:
        """Close the connections, unless the client is the caller's. Answers that are under way fail."""
        self._closed = True
        if self._owned:
            await self._client.close()

    def _parameters(self, request: ResponderRequest) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "model": self._model,
            "messages": messages_of(request, self._spoken_hint),
            **tools_of(request),
        }
        if request.max_output_tokens is not None:
            parameters[self._max_tokens_field] = request.max_output_tokens
        temperature = self._temperature if request.temperature is None else request.temperature
        if temperature is not None:
            parameters["temperature"] = temperature
        return parameters

    async def _current_key(self) -> str:
        """The key for the next request; ``""`` for none."""
        key = self._key
        if not isinstance(key, Secret | None):
            try:
                fetched = key()
                key = Secret.of(await fetched if inspect.isawaitable(fetched) else fetched)
            except Exception as error:
                raise SpeechFailed(
                    f"The key for the chat endpoint at {self._host} could not be fetched: the function raised "
                    f"{type(error).__name__}."
                ) from error
        text = "" if key is None else key.reveal().strip()
        if not (text.isascii() and text.isprintable()):  # the HTTP client would show it in its error
            raise SpeechFailed(
                f"The key for the chat endpoint at {self._host} holds characters that no header can carry. See where "
                "it was read from."
            )
        return text

    async def _open(self, parameters: dict[str, Any], key: str, endpoint: Endpoint) -> AsyncStream[ChatCompletionChunk]:
        try:
            if self._takes_stream_options is False:
                return await self._create(parameters, key)
            return await self._create_asking_for_usage(parameters, key)
        except request_errors() as error:
            raise endpoint.failure(error, began=False) from None  # the chain shows what the endpoint said, unfiltered

    async def _create_asking_for_usage(self, parameters: dict[str, Any], key: str) -> AsyncStream[ChatCompletionChunk]:
        """Ask for the usage at the end of the stream; if that is refused for all that is known, do without."""
        import openai

        try:
            stream = await self._create({**parameters, "stream_options": {"include_usage": True}}, key)
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            if self._takes_stream_options:
                raise
            stream = await self._create(parameters, key)
            self._takes_stream_options = False
        else:
            self._takes_stream_options = True
        return stream

    async def _create(self, parameters: dict[str, Any], key: str) -> AsyncStream[ChatCompletionChunk]:
        import openai

        headers = {"Authorization": f"Bearer {key}" if key else openai.Omit()} if self._owned else None
        stream: AsyncStream[ChatCompletionChunk] = await self._completions.create(
            **parameters, stream=True, extra_headers=headers, extra_body=self._extra_body or None
        )
        return stream


async def _chunks(
    stream: AsyncStream[ChatCompletionChunk], answer: AnswerReader, endpoint: Endpoint
) -> AsyncGenerator[Chunk, None]:
    """The chunks of a whole answer.

    Raises:
        SpeechFailed: It is not whole. What goes wrong after its end does no harm.
    """
    try:
        async for chunk in stream:
            # Most servers differ from the SDK's types somewhere, and it does not check them.
            yield msgspec.convert(chunk, Chunk, from_attributes=True)
    except stream_errors() as error:
        if answer.finish_reason is None:
            raise endpoint.failure(error, began=answer.began) from None
    finally:
        await stream.close()
    if answer.finish_reason is None:
        raise endpoint.cut_off() if answer.began else endpoint.no_answer()


def _client(base_url: str | None, timeout: float | None, max_retries: int) -> AsyncOpenAI:
    if base_url is not None and not _is_address(base_url):
        raise InvalidInput('base_url is no address. It is one such as "http://localhost:11434/v1".')
    try:
        import openai
    except ImportError as error:
        raise MissingDependency("openai", 'Run: pip install "duologue[chat]"') from error

    connect = LONGEST_CONNECT if timeout is None else min(timeout, LONGEST_CONNECT)
    return openai.AsyncOpenAI(
        api_key="sent with each request",
        base_url=base_url,
        timeout=openai.Timeout(timeout, connect=connect),
        max_retries=max_retries,
    )


def _key(base_url: str | None, api_key: ApiKey | None) -> ApiKey | None:
    if api_key is not None or base_url is not None:
        return api_key
    key = os.environ.get("OPENAI_API_KEY")
    if not key and not os.environ.get("OPENAI_BASE_URL"):
        raise InvalidInput(
            "OpenAI needs a key. Set OPENAI_API_KEY, pass api_key, or pass the base_url of another endpoint."
        )
    return key or None


def _is_address(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https") and bool(_host(url))
    except ValueError:  # a port that is none
        return False


def _host(url: str) -> str:
    """The host and its port, without credentials or a path."""
    parts = urlsplit(url)
    return f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"


def _max_tokens_field(host: str) -> str:
    name = host.partition(":")[0]
    knows_new_name = name.endswith((".openai.com", ".openai.azure.com"))
    return "max_completion_tokens" if knows_new_name else "max_tokens"
