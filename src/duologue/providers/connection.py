"""How to connect: times, retries, the proxy, TLS."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec.structs import force_setattr

from duologue.errors import InvalidInput
from duologue.secret import Secret

if TYPE_CHECKING:
    import ssl

    from duologue.transports.limits import WebSocketLimits

_LOGINS = frozenset({"authorization", "api-key", "x-goog-api-key"})
_RESERVED = ("connection", "content-length", "host", "transfer-encoding", "upgrade")


class ConnectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a client connects. Times are in s.

    Attributes:
        connect_timeout: For the name, TCP, the proxy, TLS and the handshake together.
        open_timeout: How long the provider may then take to confirm the session.
        send_timeout: How long one message may take to leave before the session counts as cut off.
        attempts: How often to try, the first time included. Only what may pass is tried again: an overloaded or
            unreachable server, never a key or a model that was refused.
        proxy: The URL of an HTTP or SOCKS proxy; True takes the environment's, None goes directly.
        ssl_context: For servers with certificates of their own authority. By default what the system trusts, in one
            context for all connections.
        limits: Sizes and times of the WebSocket.
        headers: Sent with every handshake, beside those of the provider or in their place. With ``Authorization``,
            ``api-key`` or ``x-goog-api-key`` among them, no key is looked for.
        subprotocols: Offered with every handshake.
        transport: What frames the WebSocket; ``"websockets"`` needs the extra of that name.
        sleep: Waits between attempts.
        random: A number from 0 to 1, which spreads the attempts of many clients.

    Raises:
        InvalidInput: A time or a number is not positive, `proxy` is no choice, or a header is none.
    """

    connect_timeout: float = 10.0
    open_timeout: float = 15.0
    send_timeout: float = 30.0
    attempts: int = 3
    proxy: str | Secret | Literal[True] | None = True
    ssl_context: ssl.SSLContext | None = None
    limits: WebSocketLimits | None = None
    headers: Mapping[str, str | Secret] = {}
    subprotocols: tuple[str | Secret, ...] = ()
    transport: Literal["picows", "websockets"] = "picows"
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    random: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        for name in ("connect_timeout", "open_timeout", "send_timeout", "attempts"):
            if not getattr(self, name) > 0:
                raise InvalidInput(f"{name} must be positive, not {getattr(self, name)}.")
        if self.transport not in ("picows", "websockets"):
            raise InvalidInput(f"transport is 'picows' or 'websockets', not {self.transport!r}.")
        # What may hold a key does not show from here on.
        self._check_proxy()
        if isinstance(self.proxy, str):
            force_setattr(self, "proxy", Secret.of(self.proxy))
        force_setattr(self, "headers", {name: Secret.of(value) for name, value in self.headers.items()})
        force_setattr(self, "subprotocols", tuple(Secret.of(name) for name in self.subprotocols))
        self._check_handshake()

    def _check_proxy(self) -> None:
        if self.proxy is not True and self.proxy is not None:
            from duologue.transports.proxy import check_proxy_choice

            check_proxy_choice(self.proxy)

    def _check_handshake(self) -> None:
        if not self.headers and not self.subprotocols:
            return
        from duologue.transports.handshake import request_headers, subprotocol_names

        request_headers(self.headers)
        subprotocol_names(self.subprotocols)
        for name in self.headers:
            if name.lower() in _RESERVED or name.lower().startswith("sec-websocket-"):
                raise InvalidInput(f"The header {name} belongs to the handshake itself and cannot be set.")

    @property
    def brings_login(self) -> bool:
        """Whether `headers` say who is calling."""
        return any(name.lower() in _LOGINS for name in self.headers)

    def headers_over(self, headers: Mapping[str, str | Secret]) -> dict[str, str | Secret]:
        """`headers` with those of the application over them, whatever the case of their names."""
        own = {name.lower() for name in self.headers}
        return {**{name: value for name, value in headers.items() if name.lower() not in own}, **self.headers}
