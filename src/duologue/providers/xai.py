"""xAI's realtime API, for Grok's voice."""

from __future__ import annotations

from duologue.errors import InvalidInput
from duologue.options import SessionOptions
from duologue.protocols.openai import XAI
from duologue.providers.client_secrets import ClientSecret, lifetime, read_client_secret
from duologue.providers.connection import ConnectionSettings
from duologue.providers.keys import ApiKey, bearer, checked_source, current_key
from duologue.providers.openai_wire import OpenAIWireClient
from duologue.providers.refusals import Advice
from duologue.providers.urls import Address, read_address, with_ending
from duologue.providers.websocket_client import Headers

_BASE_URL = "https://api.x.ai/v1"
_ADVICE = Advice(
    key="Check the key: XAI_API_KEY, or api_key.",
    rights="The key is known, and may not do this: check its permissions, and that the team has credit.",
    place='There is no such model or path: check model (such as "grok-voice-latest") and base_url.',
)


class XAIRealtimeClient(OpenAIWireClient):
    """xAI's realtime API.

    Args:
        model: The model.
        api_key: A key or a client secret, or a function that fetches one for every connection. By default that in
            ``XAI_API_KEY``, wherever `base_url` leads.
        base_url: Where it is, unless at xAI's own address.
        defaults: Options that hold for every session unless it states others.
        connection: How to connect.

    Raises:
        InvalidInput: `base_url` is no address, `api_key` no key, or the model's name is empty.
    """

    def __init__(
        self,
        model: str = "grok-voice-latest",
        *,
        api_key: ApiKey | None = None,
        base_url: str | None = None,
        defaults: SessionOptions | None = None,
        connection: ConnectionSettings | None = None,
    ) -> None:
        super().__init__(XAI, model=model, advice=_ADVICE, defaults=defaults, connection=connection)
        if not model:
            raise InvalidInput("The model's name is empty.")
        self._key = checked_source(api_key, "api_key")
        self._address = read_address(base_url if base_url is not None else _BASE_URL, "base_url")
        self._path = with_ending(self._address.path, "/realtime", "/v1/realtime")

    def address(self) -> Address:
        return self._address

    def url(self, options: SessionOptions) -> str:
        return self._address.websocket(self._path, {"model": self.chosen_model(options)})

    async def credentials(self) -> Headers:
        key = await current_key(self._key, provider="xAI", variable="XAI_API_KEY")
        assert key is not None
        return {"Authorization": bearer(key)}

    async def create_client_secret(self, *, expires_after: float = 600) -> ClientSecret:
        """Make a key that is good for a few minutes, to hand to a browser or a device. It says nothing of the session.

        Needs the extra ``http``.

        Args:
            expires_after: How long it can be used to open sessions, 10 to 7200 s.

        Raises:
            InvalidInput: The time is out of bounds.
            ConnectRefused: The provider refused, or was not there.
            MissingDependency: httpx2 is not installed.
        """
        body = {"expires_after": {"seconds": lifetime(expires_after)}}
        answer = await self.post(f"{self._path}/client_secrets", body)
        return read_client_secret(answer, self.metadata.provider)
