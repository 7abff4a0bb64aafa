"""Where a resource of Azure is, and who is calling it."""

from __future__ import annotations

from msgspec.structs import replace

from duologue.errors import InvalidInput
from duologue.providers.keys import (
    ApiKey,
    KeySource,
    MissingKey,
    bearer,
    checked_source,
    current_key,
    from_environment,
)
from duologue.providers.urls import Address, read_address
from duologue.providers.websocket_client import Headers


class AzureLogin:
    """The endpoint and the credentials of one resource.

    Args:
        service: The service's name, for errors.
        endpoint: What the application gave.
        api_key: What the application gave.
        token_provider: What the application gave.
        endpoint_variable: The environment variable for the endpoint.
        key_variable: The environment variable for the key.
        endings: Paths that the endpoint may end with, and that are not part of it.
    """

    def __init__(
        self,
        service: str,
        *,
        endpoint: str | None,
        api_key: ApiKey | None,
        token_provider: KeySource | None,
        endpoint_variable: str,
        key_variable: str,
        endings: tuple[str, ...],
    ) -> None:
        if api_key is not None and token_provider is not None:
            raise InvalidInput("Give api_key or token_provider, not both.")
        self._service = service
        self._key = checked_source(api_key, "api_key")
        if token_provider is not None and not callable(token_provider):
            raise InvalidInput("token_provider is a function that gives a token. For a key, use api_key.")
        self._token_provider = token_provider
        self._endpoint_variable = endpoint_variable
        self._key_variable = key_variable
        self._endings = endings
        self._given = None if endpoint is None else self._read(endpoint, "endpoint")

    def address(self) -> Address:
        """Where the resource is.

        Raises:
            InvalidInput: Nobody says, or it is no address.
        """
        if self._given is not None:
            return self._given
        variable = self._endpoint_variable
        found = from_environment(variable)
        if found is None:
            raise InvalidInput(
                f"{self._service} needs an endpoint. Set the environment variable {variable}, or pass endpoint."
            )
        return self._read(found, variable)

    async def credentials(self) -> Headers:
        """The header that says who is calling.

        Raises:
            MissingKey: There is no key, and no token.
        """
        if self._token_provider is not None:
            token = await current_key(self._token_provider, provider=self._service, name="token_provider")
            assert token is not None
            return {"Authorization": bearer(token)}
        if self._key is None and from_environment(self._key_variable) is None:
            raise MissingKey(
                f"{self._service} needs a key or a token. Set the environment variable {self._key_variable}, or pass "
                "api_key or token_provider."
            )
        key = await current_key(self._key, provider=self._service, variable=self._key_variable)
        assert key is not None
        return {"api-key": key}

    def _read(self, endpoint: str, name: str) -> Address:
        address = read_address(endpoint, name)
        for ending in self._endings:
            if address.path.endswith(ending):
                return replace(address, path=address.path.removesuffix(ending))
        return address
