"""The providers that the command line knows, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from duologue import providers
from duologue.client import RealtimeClient
from duologue.errors import InvalidInput
from duologue.secret import Secret


class ProviderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says about the provider.

    Attributes:
        model: The model; with Azure, its deployment.
        base_url: Where the provider is; None for its own address, or that of the environment.
        key: Its key; None for that of the environment.
        chat_model: The chat model that answers, for a provider that has no model of its own.
        chat_url: The address of its OpenAI-compatible API; None for that of the environment.
        chat_key: Its key; None for none, or for that of the environment where `chat_url` is None.
    """

    model: str | None = None
    base_url: str | None = None
    key: Secret | None = None
    chat_model: str | None = None
    chat_url: str | None = None
    chat_key: Secret | None = None


def _local(request: ProviderRequest) -> RealtimeClient:
    if request.chat_model is None:
        if request.chat_url is not None:
            raise InvalidInput("--chat-url needs the name of a model there: add --chat-model.")
        return _from_registry("local", request)
    from duologue.local import LocalRealtimeClient
    from duologue.speech.chat import ChatResponder

    responder = ChatResponder(request.chat_model, base_url=request.chat_url, api_key=request.chat_key)
    return LocalRealtimeClient(responder=responder)


def _hosted(name: str, request: ProviderRequest) -> RealtimeClient:
    if request.chat_model is not None or request.chat_url is not None:
        raise InvalidInput(f"--chat-model and --chat-url go with --provider local; {name} answers by itself.")
    return _from_registry(name, request)


def _from_registry(name: str, request: ProviderRequest) -> RealtimeClient:
    return providers.make_client(name, model=request.model, api_key=request.key, base_url=request.base_url)


PROVIDERS: Mapping[str, Callable[[ProviderRequest], RealtimeClient]] = {
    name: _local if name == "local" else partial(_hosted, name) for name in providers.PROVIDERS
}
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
