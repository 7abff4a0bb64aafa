"""Azure's Voice Live API."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from duologue.capabilities import Capabilities
from duologue.errors import InvalidInput
from duologue.options import SessionOptions
from duologue.protocols.openai import VOICE_LIVE
from duologue.providers.azure_login import AzureLogin
from duologue.providers.connection import ConnectionSettings
from duologue.providers.keys import ApiKey, KeySource
from duologue.providers.openai_wire import OpenAIWireClient
from duologue.providers.refusals import Advice
from duologue.providers.urls import Address
from duologue.providers.websocket_client import Headers

API_VERSION = "2026-07-15"
"""The version of the API that is spoken unless another is asked for."""

_PATH = "/voice-live/realtime"
_OWN_OPTIONS = frozenset({"azure_turn_detection", "deep_noise_suppression", "echo_cancellation"})
_ADVICE = Advice(
    request="Check the model or the agent, what the options ask for, and api_version.",
    key="Check that the key, or the token (scope https://ai.azure.com/.default), belongs to this resource. Agents "
    "may take tokens only.",
    rights="The caller is known, and may not do this: check its role (Cognitive Services User; for an agent, Azure AI "
    "User), the resource's network rules, and its region.",
    place="There is no such model, agent or path: check model or agent, the endpoint, its region, and api_version.",
    unreachable="Check the network, endpoint or AZURE_VOICE_LIVE_ENDPOINT, and the proxy if there is one "
    "(HTTPS_PROXY).",
)


class VoiceLiveAgent(msgspec.Struct, frozen=True):
    """An agent that answers in the model's place. Its instructions are its own.

    Attributes:
        name: The agent's name.
        project: The project that it is in.
        version: Its version, if not the latest.
        conversation_id: An earlier conversation to go on with.
    """

    name: str
    project: str
    version: str | None = None
    conversation_id: str | None = None


class VoiceLiveRealtimeClient(OpenAIWireClient):
    """Azure's Voice Live API: OpenAI's models and others, with Azure's voices, or an agent.

    Args:
        model: The model, e.g. ``"gpt-realtime"``; or else `agent`.
        agent: The agent that answers.
        endpoint: The resource, e.g. ``"https://my-resource.services.ai.azure.com"``. By default that in
            ``AZURE_VOICE_LIVE_ENDPOINT``.
        api_key: A key, or a function that fetches one for every connection. By default, where there is no
            `token_provider`, that in ``AZURE_VOICE_LIVE_API_KEY``.
        token_provider: Gives a Microsoft Entra token for every connection; `get_bearer_token_provider` of
            ``azure.identity``, or of ``azure.identity.aio``, makes one (scope ``https://ai.azure.com/.default``).
        api_version: The version of the API.
        defaults: Options that hold for every session unless it states others.
        connection: How to connect.

    Raises:
        InvalidInput: There is neither a model nor an agent, or both; or the endpoint is no address; or there are both
            a key and a token provider.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        agent: VoiceLiveAgent | None = None,
        endpoint: str | None = None,
        api_key: ApiKey | None = None,
        token_provider: KeySource | None = None,
        api_version: str = API_VERSION,
        defaults: SessionOptions | None = None,
        connection: ConnectionSettings | None = None,
    ) -> None:
        super().__init__(VOICE_LIVE, model=model, advice=_ADVICE, defaults=defaults, connection=connection)
        if bool(model) == (agent is not None):
            raise InvalidInput('Voice Live needs either a model, such as model="gpt-realtime", or an agent.')
        self._agent = agent
        self._api_version = api_version
        self._login = AzureLogin(
            "Voice Live",
            endpoint=endpoint,
            api_key=api_key,
            token_provider=token_provider,
            endpoint_variable="AZURE_VOICE_LIVE_ENDPOINT",
            key_variable="AZURE_VOICE_LIVE_API_KEY",
            endings=(_PATH, "/voice-live"),
        )

    def address(self) -> Address:
        return self._login.address()

    async def credentials(self) -> Headers:
        return await self._login.credentials()

    def conversation_capabilities(self, options: SessionOptions) -> Capabilities:
        plain = self._dialect.capabilities
        can = replace(plain, options=plain.options | _OWN_OPTIONS, mutable_options=plain.mutable_options | _OWN_OPTIONS)
        if self._agent is None:
            return can
        own = frozenset({"instructions"})
        return replace(can, options=can.options - own, mutable_options=can.mutable_options - own)

    def url(self, options: SessionOptions) -> str:
        if self._agent is not None and options.model is not None:
            raise InvalidInput("An agent has its own model: leave model out of the options.")
        query = {"api-version": self._api_version, **self._who_answers(options)}
        return self.address().websocket(self.address().path + _PATH, query)

    def _who_answers(self, options: SessionOptions) -> dict[str, str | None]:
        agent = self._agent
        if agent is None:
            return {"model": self.chosen_model(options)}
        return {
            "agent-name": agent.name,
            "agent-project-name": agent.project,
            "agent-version": agent.version,
            "conversation-id": agent.conversation_id,
        }
