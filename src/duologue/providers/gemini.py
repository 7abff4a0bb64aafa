"""Gemini Live on Google's developer API."""

from __future__ import annotations

from duologue.errors import InvalidInput
from duologue.options import SessionOptions
from duologue.protocols.gemini import GEMINI
from duologue.protocols.gemini.setup_writing import write_setup
from duologue.protocols.json_values import as_object
from duologue.providers.client_secrets import ClientSecret
from duologue.providers.connection import ConnectionSettings
from duologue.providers.gemini_assumptions import GeminiAssumptions
from duologue.providers.gemini_family import GeminiFamilyClient
from duologue.providers.gemini_tokens import Locks, read_token, token_request
from duologue.providers.keys import ApiKey, checked_source, current_key, from_environment
from duologue.providers.refusals import Advice
from duologue.providers.urls import Address, read_address
from duologue.providers.websocket_client import Headers
from duologue.secret import Secret

__all__ = ["GeminiRealtimeClient"]

_BASE_URL = "https://generativelanguage.googleapis.com"
_SERVICE = "/ws/google.ai.generativelanguage.{version}.GenerativeService.{method}"
_USUAL, _EXPERIMENTAL = "v1beta", "v1alpha"
_TOKEN = "auth_tokens/"
_TOKEN_HEADER = "Token "
_ADVICE = Advice(
    request="Check the model, and what the options ask for: models differ in what they take.",
    key="Check the key: GEMINI_API_KEY or GOOGLE_API_KEY, or api_key. Ephemeral tokens (auth_tokens/…) expire after "
    "minutes, and open one session each unless they were made for more.",
    rights="The key is known, and may not do this: check that its project may use the Gemini API, from this region.",
    place="There is no such model for live sessions, or not in this api_version: check model, api_version, base_url.",
    rate="Too many sessions at once, or the quota of the key's project is used up. Wait a little, or see its plan.",
    unreachable="Check the network, base_url or GOOGLE_GEMINI_BASE_URL, and the proxy if there is one (HTTPS_PROXY).",
)


class GeminiRealtimeClient(GeminiFamilyClient):
    """Gemini Live on Google's developer API.

    Args:
        model: The model, e.g. ``"gemini-3.8-live"``.
        api_key: A key or an ephemeral token (``auth_tokens/…``), or a function that fetches one for every connection.
            By default the key in ``GOOGLE_API_KEY``, else in ``GEMINI_API_KEY``, wherever `base_url` leads.
        base_url: By default that in ``GOOGLE_GEMINI_BASE_URL``, else Google's.
        api_version: By default ``"v1beta"``; ``"v1alpha"`` with an ephemeral token, and for affective dialogue and
            proactive audio, which are only there.
        assume: What to take for granted of the service, where it is not as it is taken to be.
        defaults: Options that hold for every session unless it states others; `GeminiSessionOptions` has more of them.
        connection: How to connect.

    Raises:
        InvalidInput: `base_url` is no address, `api_key` no key, or `api_version` no version.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        api_key: ApiKey | None = None,
        base_url: str | None = None,
        api_version: str | None = None,
        assume: GeminiAssumptions | None = None,
        defaults: SessionOptions | None = None,
        connection: ConnectionSettings | None = None,
    ) -> None:
        super().__init__(
            GEMINI,
            model=model,
            advice=_ADVICE,
            api_version=api_version,
            assume=assume,
            defaults=defaults,
            connection=connection,
        )
        self._key = checked_source(api_key, "api_key")
        self._given_address = None if base_url is None else read_address(base_url, "base_url")

    def address(self) -> Address:
        if self._given_address is not None:
            return self._given_address
        variable = "GOOGLE_GEMINI_BASE_URL"
        return read_address(from_environment(variable) or _BASE_URL, variable)

    async def credentials(self) -> Headers:
        variable = "GOOGLE_API_KEY" if from_environment("GOOGLE_API_KEY") else "GEMINI_API_KEY"
        key = await current_key(self._key, provider="Gemini", variable=variable)
        assert key is not None
        if key.reveal().startswith(_TOKEN):
            return {"Authorization": Secret.of(_TOKEN_HEADER + key.reveal())}
        return {"x-goog-api-key": key}

    def url(self, options: SessionOptions) -> str:
        self.needed_model(options)
        version = _EXPERIMENTAL if _is_experimental(options) else _USUAL
        return self._url(version, "BidiGenerateContent")

    def endpoint(self, url: str, headers: Headers) -> str:
        if any(_is_token(value) for value in headers.values()):
            return self._url(_EXPERIMENTAL, "BidiGenerateContentConstrained")
        return url

    def _url(self, version: str, method: str) -> str:
        service = _SERVICE.format(version=self._api_version or version, method=method)
        return self.address().websocket(self.address().path + service)

    async def create_client_secret(
        self,
        options: SessionOptions | None = None,
        *,
        expires_after: float = 60,
        session_seconds: float = 1_800,
        uses: int = 1,
        locks: Locks = "stated",
    ) -> ClientSecret:
        """Make an ephemeral token for such sessions, to hand to a browser or a device.

        Needs the extra ``http``.

        Args:
            options: What the sessions shall be like, over the client's defaults.
            expires_after: How long it can be used to open sessions, 10 to 7200 s.
            session_seconds: How long the sessions may last that it opens, at most 72000 s, from now.
            uses: How many sessions it opens; taking one up again does not count.
            locks: What its user cannot change: what `options` state, or ``"everything"``.

        Raises:
            UnsupportedOperation: The provider cannot do what the options ask for.
            InvalidInput: The options do not fit, or a number is out of bounds.
            ConnectRefused: The provider refused, or was not there.
            MissingDependency: httpx2 is not installed.
        """
        options = self.checked(options)
        if options.history or options.resume is not None:
            raise InvalidInput("A token holds no history and no handle: whoever opens the session sends them.")
        self.needed_model(options)
        setup = write_setup(options, self.dialect_for(options))
        request = token_request(
            setup, expires_after=expires_after, session_seconds=session_seconds, uses=uses, locks=locks
        )
        version = self._api_version or _EXPERIMENTAL
        answer = await self.post(f"{self.address().path}/{version}/auth_tokens", request.body)
        return read_token(answer, request, self.metadata.provider)


def _is_token(value: str | Secret) -> bool:
    return Secret.of(value).reveal().startswith(_TOKEN_HEADER + _TOKEN)


def _is_experimental(options: SessionOptions) -> bool:
    config = as_object(options.extra.get("generationConfig"))
    return bool(options.extra.get("proactivity")) or config.get("enableAffectiveDialog") is True
