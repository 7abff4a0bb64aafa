"""Every provider, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from duologue.client import RealtimeClient
from duologue.errors import InvalidInput

if TYPE_CHECKING:
    from duologue.providers.keys import ApiKey

COMPATIBLE = ("compatible", "localai", "qwen", "speaches", "speech-to-speech", "vllm")
"""Servers that speak OpenAI's wire: they need a `base_url`. ``"compatible"`` is for any that does so as OpenAI does."""

PROVIDERS = ("openai", "azure", "xai", "voice-live", "gemini", "vertex-ai", *COMPATIBLE, "local")
"""The names that `make_client` knows."""


def make_client(
    name: str,
    *,
    model: str | None = None,
    api_key: ApiKey | None = None,
    base_url: str | None = None,
) -> RealtimeClient:
    """A client of the provider of that name. What is left out comes from the environment, or is the provider's default.

    Args:
        name: One of `PROVIDERS`.
        model: The model; with Azure, the name of its deployment.
        api_key: A key, or a function that fetches one.
        base_url: Where the server is; with Azure and Voice Live, the endpoint of the resource.

    Raises:
        InvalidInput: There is no such provider, or it needs something else.
        MissingDependency: What it needs is not installed.
    """
    if name == "local":
        return _local(model=model, api_key=api_key, base_url=base_url)
    given: dict[str, Any] = {"model": model, "api_key": api_key, "base_url": base_url}
    given = {field: value for field, value in given.items() if value is not None}
    match name:
        case "openai":
            from duologue.providers.openai import OpenAIRealtimeClient

            return OpenAIRealtimeClient(**given)
        case "xai":
            from duologue.providers.xai import XAIRealtimeClient

            return XAIRealtimeClient(**given)
        case "azure":
            from duologue.providers.azure import AzureOpenAIRealtimeClient

            if model is None:
                raise InvalidInput("Azure needs the name of a deployment: give it as model.")
            return AzureOpenAIRealtimeClient(model, endpoint=base_url, api_key=api_key)
        case "voice-live":
            from duologue.providers.voice_live import VoiceLiveRealtimeClient

            return VoiceLiveRealtimeClient(model=model, endpoint=base_url, api_key=api_key)
        case "gemini":
            from duologue.providers.gemini import GeminiRealtimeClient

            return GeminiRealtimeClient(**given)
        case "vertex-ai":
            from duologue.providers.vertex import VertexRealtimeClient

            return VertexRealtimeClient(**given)
        case _ if name in COMPATIBLE:
            return _compatible(name, given)
    raise InvalidInput(f"There is no provider {name!r}. There is: {', '.join(PROVIDERS)}.")


def _compatible(name: str, given: dict[str, Any]) -> RealtimeClient:
    from duologue.providers.compatible import OpenAICompatibleRealtimeClient

    if "base_url" not in given:
        raise InvalidInput(f"{name} needs a base_url, such as http://localhost:8080.")
    return OpenAICompatibleRealtimeClient(dialect="openai" if name == "compatible" else name, **given)


def _local(**given: object) -> RealtimeClient:
    superfluous = [field for field, value in given.items() if value is not None]
    if superfluous:
        raise InvalidInput(
            f"The embedded provider takes no {', '.join(superfluous)}. To let a chat model answer, use "
            "LocalRealtimeClient(responder=ChatResponder(...))."
        )
    from duologue.local import LocalRealtimeClient

    return LocalRealtimeClient()
