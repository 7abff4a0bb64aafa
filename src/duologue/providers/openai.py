"""OpenAI's own realtime API."""

from __future__ import annotations

from duologue.options import SessionOptions
from duologue.protocols.openai import OPENAI
from duologue.providers.connection import ConnectionSettings
from duologue.providers.keys import ApiKey, bearer, checked_source, current_key, from_environment
from duologue.providers.openai_family import OpenAIFamilyClient
from duologue.providers.openai_options import OpenAISessionOptions, RetentionRatio, Tracing
from duologue.providers.refusals import Advice
from duologue.providers.urls import Address, read_address
from duologue.providers.websocket_client import Headers

__all__ = ["OpenAIRealtimeClient", "OpenAISessionOptions", "RetentionRatio", "Tracing"]

_BASE_URL = "https://api.openai.com/v1"
_ADVICE = Advice(
    key="Check the key: OPENAI_API_KEY, or api_key. Client secrets (ek_…) expire after minutes.",
    rights="The key is known, and may not do this: check the organization, the project, the region, and which models "
    "the project may use.",
    place="There is no such model, call or path: check model, call_id and base_url.",
    unreachable="Check the network, base_url or OPENAI_BASE_URL, and the proxy if there is one (HTTPS_PROXY).",
)


class OpenAIRealtimeClient(OpenAIFamilyClient):
    """OpenAI's realtime API: conversations, transcription, and calls that run elsewhere.

    Args:
        model: The model of conversations, e.g. ``"gpt-realtime-2.1"``. In a transcription session the model is that
            of its options.
        api_key: A key or a client secret, or a function that fetches one for every connection. By default that in
            ``OPENAI_API_KEY``, wherever `base_url` leads.
        base_url: By default that in ``OPENAI_BASE_URL``, else OpenAI's.
        organization: By default that in ``OPENAI_ORG_ID``, if any.
        project: By default that in ``OPENAI_PROJECT_ID``, if any.
        defaults: Options that hold for every session unless it states others; `OpenAISessionOptions` has more of them.
        connection: How to connect.

    Raises:
        InvalidInput: `base_url` is no address, or `api_key` is no key.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        api_key: ApiKey | None = None,
        base_url: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        defaults: SessionOptions | None = None,
        connection: ConnectionSettings | None = None,
    ) -> None:
        super().__init__(OPENAI, model=model, advice=_ADVICE, defaults=defaults, connection=connection)
        self._key = checked_source(api_key, "api_key")
        self._given_address = None if base_url is None else read_address(base_url, "base_url")
        self._organization = organization
        self._project = project

    def address(self) -> Address:
        if self._given_address is not None:
            return self._given_address
        variable = "OPENAI_BASE_URL"
        return read_address(from_environment(variable) or _BASE_URL, variable)

    async def credentials(self) -> Headers:
        key = await current_key(self._key, provider="OpenAI", variable="OPENAI_API_KEY")
        assert key is not None
        return {"Authorization": bearer(key)}

    def account(self) -> Headers:
        headers: Headers = {}
        if organization := self._organization or from_environment("OPENAI_ORG_ID"):
            headers["OpenAI-Organization"] = organization
        if project := self._project or from_environment("OPENAI_PROJECT_ID"):
            headers["OpenAI-Project"] = project
        return headers
