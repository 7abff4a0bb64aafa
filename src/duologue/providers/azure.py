"""Azure OpenAI's realtime API: the GA one, and the preview before it."""

from __future__ import annotations

from duologue.capabilities import Capabilities
from duologue.errors import InvalidInput
from duologue.options import SessionOptions
from duologue.protocols.openai import AZURE, AZURE_PREVIEW
from duologue.providers.azure_login import AzureLogin
from duologue.providers.client_secrets import ClientSecret
from duologue.providers.connection import ConnectionSettings
from duologue.providers.keys import ApiKey, KeySource
from duologue.providers.openai_family import OpenAIFamilyClient
from duologue.providers.refusals import Advice
from duologue.providers.urls import Address
from duologue.providers.websocket_client import Headers

_GA_PATH = "/openai/v1/realtime"
_PREVIEW_PATH = "/openai/realtime"
_ENDINGS = (_GA_PATH, _PREVIEW_PATH, "/openai/v1", "/openai")  # that people copy with the endpoint

_ADVICE = Advice(
    request="Check the deployment's name, what the options ask for, and api_version: leave it out for the GA API.",
    key="Check that the key, or the token (scope https://ai.azure.com/.default), belongs to this resource. Azure also "
    "answers 401 when an api-version does not fit the path: leave api_version out for the GA API, give it for "
    "the preview.",
    rights="The caller is known, and may not do this: check its role (Cognitive Services OpenAI User), the resource's "
    "network rules, and its region, as not every region has realtime models.",
    place="There is no such deployment or path. The model is the name of the *deployment*, not of the model in it; "
    "check the endpoint, its region, and api_version. A new deployment takes minutes to appear.",
    unreachable="Check the network, endpoint or AZURE_OPENAI_ENDPOINT, and the proxy if there is one (HTTPS_PROXY).",
)


class AzureOpenAIRealtimeClient(OpenAIFamilyClient):
    """Azure OpenAI's realtime API.

    Args:
        deployment: The name of the deployment, which may differ from that of the model in it.
        endpoint: The resource, e.g. ``"https://my-resource.openai.azure.com"``. By default that in
            ``AZURE_OPENAI_ENDPOINT``.
        api_key: A key, or a function that fetches one for every connection. By default, where there is no
            `token_provider`, that in ``AZURE_OPENAI_API_KEY``.
        token_provider: Gives a Microsoft Entra token for every connection; `get_bearer_token_provider` of
            ``azure.identity``, or of ``azure.identity.aio``, makes one (scope ``https://ai.azure.com/.default``).
        api_version: Leave it out for the GA API. With it, e.g. ``"2025-04-01-preview"``, the preview is spoken.
        defaults: Options that hold for every session unless it states others; `OpenAISessionOptions` has more of them.
        connection: How to connect.

    Raises:
        InvalidInput: The endpoint is no address, or there are both a key and a token provider.
    """

    def __init__(
        self,
        deployment: str,
        *,
        endpoint: str | None = None,
        api_key: ApiKey | None = None,
        token_provider: KeySource | None = None,
        api_version: str | None = None,
        defaults: SessionOptions | None = None,
        connection: ConnectionSettings | None = None,
    ) -> None:
        dialect = AZURE if api_version is None else AZURE_PREVIEW
        super().__init__(dialect, model=deployment, advice=_ADVICE, defaults=defaults, connection=connection)
        if not deployment:
            raise InvalidInput("The deployment's name is empty.")
        self._api_version = api_version
        self._login = AzureLogin(
            "Azure OpenAI",
            endpoint=endpoint,
            api_key=api_key,
            token_provider=token_provider,
            endpoint_variable="AZURE_OPENAI_ENDPOINT",
            key_variable="AZURE_OPENAI_API_KEY",
            endings=_ENDINGS,
        )

    def address(self) -> Address:
        return self._login.address()

    async def credentials(self) -> Headers:
        return await self._login.credentials()

    def conversation_capabilities(self, options: SessionOptions) -> Capabilities:
        if self._api_version is not None:
            return self._dialect.capabilities
        return super().conversation_capabilities(options)

    def realtime_path(self) -> str:
        return self.address().path + _GA_PATH

    def url(self, options: SessionOptions) -> str:
        if self._api_version is None:
            return super().url(options)
        query = {"api-version": self._api_version, "deployment": self.needed_model(options)}
        return self.address().websocket(self.address().path + _PREVIEW_PATH, query)

    async def create_client_secret(
        self, options: SessionOptions | None = None, *, expires_after: float = 600
    ) -> ClientSecret:
        if self._api_version is not None:
            raise InvalidInput("The preview API makes no client secrets: leave api_version out for the GA API.")
        return await super().create_client_secret(options, expires_after=expires_after)
