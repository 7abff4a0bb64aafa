"""Requests over HTTP, beside the sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from duologue.errors import MissingDependency
from duologue.providers.connection import ConnectionSettings
from duologue.providers.refusals import Answer
from duologue.secret import Secret
from duologue.transports.handshake import ConnectFailed, request_headers, request_id, server_of
from duologue.transports.proxy import proxy_for
from duologue.transports.tls import shared_context

if TYPE_CHECKING:
    import httpx2


async def post_json(
    url: str, headers: Mapping[str, str | Secret], body: Mapping[str, Any], settings: ConnectionSettings
) -> Answer:
    """Send `body` to `url`, once, with the proxy, the TLS context and the times of `settings`; redirects are answers.

    Raises:
        InvalidInput: A header is none, or `body` cannot be written as JSON.
        ConnectFailed: The server could not be reached, or did not answer in time.
        MissingDependency: httpx2 is not installed, or what it needs for a SOCKS proxy.
    """
    server = server_of(url.replace("http", "ws", 1))
    client = _client(proxy_for(server, settings.proxy), settings)
    import httpx2  # it is there

    try:
        async with client:
            response = await client.post(
                url,
                content=msgspec.json.encode(body),
                headers=[*request_headers(headers), ("Content-Type", "application/json")],
            )
    except httpx2.TimeoutException:
        raise ConnectFailed(f"{server} did not answer in time.", retryable=True) from None
    except httpx2.HTTPError as error:
        # Its text may name the URL of a proxy, credentials and all.
        raise ConnectFailed(f"{server} cannot be reached: {type(error).__name__}.", retryable=True) from None
    named = {name.lower(): value for name, value in response.headers.items()}
    return Answer(
        refused="the request",
        status=response.status_code,
        headers=named,
        body=response.text,
        request_id=request_id(named),
    )


def _client(proxy: str | None, settings: ConnectionSettings) -> httpx2.AsyncClient:
    try:
        import httpx2
    except ImportError as error:
        raise MissingDependency("httpx2", 'Run: pip install "duologue[http]"') from error
    try:
        return httpx2.AsyncClient(
            proxy=proxy,
            verify=settings.ssl_context or shared_context(),
            timeout=httpx2.Timeout(settings.open_timeout, connect=settings.connect_timeout),
            trust_env=False,
        )
    except ImportError as error:
        raise MissingDependency("What httpx2 needs for a SOCKS proxy", 'Run: pip install "httpx2[socks]"') from error
