"""Who may do what: what an application decides about everybody who comes in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from duologue.gateway.limits import Limits
from duologue.options import SessionOptions

Scope = Mapping[str, Any]
"""A connection or a request, as ASGI describes it."""


class Refused(Exception):
    """Somebody is not let in.

    Args:
        text: Why, for whoever is refused.
        status: The HTTP status.
        code: The code of the error.
        retry_after: When to come again, in s.
    """

    def __init__(
        self, text: str, status: int = 401, code: str = "invalid_api_key", retry_after: float | None = None
    ) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.retry_after = retry_after


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody may do.

    Attributes:
        who: Their name, for limits and records: the name of a key, not the key.
        models: The names of the models that they may use; None: all.
        options: What their sessions are like, over what the model's are.
        client_may: The names of the options that they may change, as for `bridge`.
        limits: How much they may use.
    """

    who: str = "anonymous"
    models: frozenset[str] | None = None
    options: SessionOptions = SessionOptions()
    client_may: frozenset[str] | None = None
    limits: Limits = Limits()


Authorize = Callable[[Scope], Awaitable[Grant]]
"""Decides about a connection or a request. Raises `Refused`."""


async def anybody(scope: Scope) -> Grant:
    """Lets everybody do everything: for loopback."""
    return Grant()
