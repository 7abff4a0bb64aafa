"""The providers that the command line knows, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from duologue.client import RealtimeClient
from duologue.errors import InvalidInput
from duologue.secret import Secret


class ProviderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says about the provider.

    Attributes:
        chat_model: The chat model that answers, for a provider that has no model of its own.
        chat_url: The address of its OpenAI-compatible API; None for that of the environment.
        chat_key: Its key; None for none, or for that of the environment where `chat_url` is None.
    """

    chat_model: str | None = None
    chat_url: str | None = None
    chat_key: Secret | None = None


def _local(request: ProviderRequest) -> RealtimeClient:
    from duologue.local import LocalRealtimeClient

    if request.chat_model is None:
        if request.chat_url is not None:
            raise InvalidInput("--chat-url needs the name of a model there: add --chat-model.")
        return LocalRealtimeClient()
    from duologue.speech.chat import ChatResponder

    responder = ChatResponder(request.chat_model, base_url=request.chat_url, api_key=request.chat_key)
    return LocalRealtimeClient(responder=responder)


PROVIDERS: Mapping[str, Callable[[ProviderRequest], RealtimeClient]] = {"local": _local}
"""Makes a client of the provider of that name."""


def make_client(provider: str, request: ProviderRequest) -> RealtimeClient:
    """A client of the provider of that name.

    Raises:
        InvalidInput: There is no such provider, or the request does not fit it.
        MissingDependency: What it needs is not installed.
    """
    make = PROVIDERS.get(provider)
    if make is None:
        raise InvalidInput(f"There is no provider {provider!r}. There is: {', '.join(PROVIDERS)}.")
    return make(request)
