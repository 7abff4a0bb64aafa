"""Gemini Live on Google Cloud: Vertex AI."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

from duologue.errors import InvalidInput
from duologue.options import SessionOptions
from duologue.protocols.gemini import VERTEX_AI, GeminiDialect
from duologue.providers.connection import ConnectionSettings
from duologue.providers.gemini_assumptions import GeminiAssumptions
from duologue.providers.gemini_family import GeminiFamilyClient
from duologue.providers.google_login import GoogleLogin
from duologue.providers.keys import ApiKey, KeySource, bearer, checked_source, current_key, from_environment
from duologue.providers.refusals import Advice
from duologue.providers.urls import Address, read_address
from duologue.providers.websocket_client import Headers

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

__all__ = ["VertexRealtimeClient"]

_SERVICE = "/ws/google.cloud.aiplatform.{version}.LlmBidiService/BidiGenerateContent"
_MODELS = "publishers/google/models/"
_MULTI_REGIONS = ("eu", "us")
_NAME = re.compile(r"[a-z0-9][a-z0-9:.-]*")
_ADVICE = Advice(
    request="Check the model, and what the options ask for: models differ in what they take.",
    key="Check the credentials: gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS. They need "
    "the scope https://www.googleapis.com/auth/cloud-platform.",
    rights="The caller is known, and may not do this: check its role (Vertex AI User), the project's name, and that "
    "the Vertex AI API is enabled there.",
    place="There is no such model for live sessions in this location: check model, location, project and api_version.",
    rate="Too many sessions at once, or the project's quota is used up. Wait a little, or ask for more.",
    unreachable="Check the network, location or base_url, and the proxy if there is one (HTTPS_PROXY).",
)


class VertexRealtimeClient(GeminiFamilyClient):
    """Gemini Live on Google Cloud.

    Without `credentials`, `token_provider` and `api_key`, the application default credentials log in: those of
    ``GOOGLE_APPLICATION_CREDENTIALS``, of ``gcloud auth application-default login``, or of the machine in Google Cloud
    (``pip install "duologue[gemini]"``). They are looked for, and refreshed, when a session opens.

    Args:
        model: The model, e.g. ``"gemini-live-2.5-flash-native-audio"``.
        project: The project. By default that in ``GOOGLE_CLOUD_PROJECT``, else that of the credentials.
        location: The region, ``"us"`` or ``"eu"`` for several, or ``"global"``. By default that in
            ``GOOGLE_CLOUD_LOCATION``, else ``"global"``.
        credentials: Credentials of ``google.auth``.
        token_provider: Gives an access token for every connection.
        api_key: A key of Vertex AI in express mode, or a function that gives one; without a project.
        base_url: Where the service is, unless at Google's own address.
        api_version: The version of the API.
        assume: What to take for granted of the service, where it is not as it is taken to be.
        defaults: Options that hold for every session unless it states others; `GeminiSessionOptions` has more of them.
        connection: How to connect.

    Raises:
        InvalidInput: There are several ways to log in, or a name or an address is none.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        project: str | None = None,
        location: str | None = None,
        credentials: Credentials | None = None,
        token_provider: KeySource | None = None,
        api_key: ApiKey | None = None,
        base_url: str | None = None,
        api_version: str = "v1beta1",
        assume: GeminiAssumptions | None = None,
        defaults: SessionOptions | None = None,
        connection: ConnectionSettings | None = None,
    ) -> None:
        super().__init__(
            VERTEX_AI,
            model=model,
            advice=_ADVICE,
            api_version=api_version,
            assume=assume,
            defaults=defaults,
            connection=connection,
        )
        if sum(given is not None for given in (credentials, token_provider, api_key)) > 1:
            raise InvalidInput("Give one of credentials, token_provider and api_key.")
        if token_provider is not None and not callable(token_provider):
            raise InvalidInput("token_provider is a function that gives a token. For a key, use api_key.")
        if api_key is not None and project is not None:
            raise InvalidInput("A key of Vertex AI in express mode knows its project: leave project out.")
        self._given_project = None if project is None else _name(project, "project")
        self._given_location = None if location is None else _name(location, "location")
        self._key = checked_source(api_key, "api_key")
        self._token_provider = token_provider
        self._login = GoogleLogin(VERTEX_AI.provider, credentials)
        self._project_of_login: str | None = None
        self._given_address = None if base_url is None else read_address(base_url, "base_url")

    # --- where it is ---

    @property
    def location(self) -> str:
        """The region, or ``"global"``.

        Raises:
            InvalidInput: What the environment says is none.
        """
        variable = "GOOGLE_CLOUD_LOCATION"
        return self._given_location or _name(from_environment(variable) or "global", variable)

    def address(self) -> Address:
        if self._given_address is not None:
            return self._given_address
        if self._key is not None or self.location == "global":
            host = "aiplatform.googleapis.com"
        elif self.location in _MULTI_REGIONS:
            host = f"aiplatform.{self.location}.rep.googleapis.com"
        else:
            host = f"{self.location}-aiplatform.googleapis.com"
        return Address(True, host)

    def url(self, options: SessionOptions) -> str:
        self.needed_model(options)
        address = self.address()
        return address.websocket(address.path + _SERVICE.format(version=self._api_version))

    # --- which model of which project ---

    def chosen_model(self, options: SessionOptions) -> str | None:
        model = super().chosen_model(options)
        return None if model is None else model.removeprefix(_MODELS)

    def dialect_for(self, options: SessionOptions) -> GeminiDialect:
        dialect = super().dialect_for(options)
        if self._project is None:  # an express key's; or the credentials tell it, before anything is sent
            return dialect
        return replace(dialect, models=f"projects/{self._project}/locations/{self.location}/{_MODELS}")

    @property
    def _project(self) -> str | None:
        if self._key is not None:
            return None
        variable = "GOOGLE_CLOUD_PROJECT"
        found = from_environment(variable)
        return self._given_project or (found and _name(found, variable)) or self._project_of_login

    # --- who is calling ---

    async def credentials(self) -> Headers:
        if self._key is not None:
            key = await current_key(self._key, provider="Vertex AI")
            assert key is not None
            return {"x-goog-api-key": key}
        if self._token_provider is not None:
            token = await current_key(self._token_provider, provider="Vertex AI", name="token_provider")
            assert token is not None
            headers: Headers = {"Authorization": bearer(token)}
        else:
            headers = await self._of_google()
        if self._project is None:
            raise InvalidInput(
                "Vertex AI needs a project. Set the environment variable GOOGLE_CLOUD_PROJECT, or pass it."
            )
        return headers

    async def _of_google(self) -> Headers:
        login = await self._login.token()
        self._project_of_login = login.project
        headers: Headers = {"Authorization": bearer(login.token)}
        if login.quota_project is not None:
            headers["x-goog-user-project"] = login.quota_project
        return headers


def _name(given: str, what: str) -> str:
    """`given`, which becomes a part of addresses and names.

    Raises:
        InvalidInput: It cannot.
    """
    if not _NAME.fullmatch(given):
        raise InvalidInput(f"{what} is no name of Google Cloud: {given!r}.")
    return given
