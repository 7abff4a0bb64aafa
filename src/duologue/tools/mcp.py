"""Tools that a provider calls by itself, on an MCP server that it can reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from duologue.errors import InvalidTool
from duologue.secret import Secret


class McpApprovalFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which tools of an MCP server need an approval, by name; the provider's default holds for the others.

    Attributes:
        always: Tools whose every call waits for an approval.
        never: Tools that are called without asking.
    """

    always: tuple[str, ...] = ()
    never: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in ("always", "never"):
            _tuple_of_names(self, field)
        if both := set(self.always) & set(self.never):
            raise InvalidTool(f"The approval filter names {', '.join(sorted(both))} under always and under never.")


class McpServerTool(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="mcp", omit_defaults=True):
    """The tools of an MCP server. The provider lists and calls them; the application at most approves.

    Secrets may be given as plain `str`: they are wrapped at once, and never show in `repr` or JSON.

    Attributes:
        server_label: How the server is called in messages and in tool choices.
        server_url: Where the server is. Exactly one of this, `connector_id` and `tunnel_id` is given.
        connector_id: A connector of the provider, e.g. ``"connector_gmail"``.
        tunnel_id: A tunnel that the provider knows.
        authorization: An OAuth access token for the server or connector.
        headers: HTTP headers for the server, e.g. an API key.
        allowed_tools: The only tools that may be called; None for all.
        read_only: True to allow only tools that the server marks as read-only.
        require_approval: Which calls wait for an approval; None for the provider's default.
        server_description: What the server is for, told to the model.
        defer_loading: True to have the provider look tools up when needed, not at the start.

    Raises:
        InvalidTool: The configuration contradicts itself or is incomplete.
    """

    server_label: str
    server_url: str | None = None
    connector_id: str | None = None
    tunnel_id: str | None = None
    authorization: Secret | None = None
    headers: Mapping[str, Secret] = msgspec.field(default_factory=dict)
    allowed_tools: tuple[str, ...] | None = None
    read_only: bool | None = None
    require_approval: Literal["always", "never"] | McpApprovalFilter | None = None
    server_description: str | None = None
    defer_loading: bool | None = None

    def __post_init__(self) -> None:
        self._wrap_secrets()
        if not self.server_label:
            raise InvalidTool("An MCP server needs a server_label.")
        addresses = [name for name in ("server_url", "connector_id", "tunnel_id") if getattr(self, name)]
        if len(addresses) != 1:
            given = " and ".join(addresses) or "none of them"
            raise InvalidTool(
                f"The MCP server {self.server_label!r} needs exactly one of server_url, connector_id and "
                f"tunnel_id; it has {given}."
            )
        if self.server_url:
            self._check_url(self.server_url)
        if self.allowed_tools is not None:
            _tuple_of_names(self, "allowed_tools")
        approval = self.require_approval
        if approval not in (None, "always", "never") and not isinstance(approval, McpApprovalFilter):
            raise InvalidTool('require_approval is "always", "never", an McpApprovalFilter or None.')

    def _wrap_secrets(self) -> None:
        try:
            if self.authorization is not None:
                msgspec.structs.force_setattr(self, "authorization", Secret.of(self.authorization))
            headers = {name: Secret.of(value) for name, value in self.headers.items()}
        except TypeError as error:
            raise InvalidTool(f"authorization and the values of headers are text: {error}") from None
        msgspec.structs.force_setattr(self, "headers", headers)

    def _check_url(self, url: str) -> None:
        from urllib.parse import urlsplit

        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidTool(
                f"The server_url of the MCP server {self.server_label!r} has to begin with https:// and name a host."
            )
        if parts.username is not None or parts.password is not None:
            raise InvalidTool(
                f"The server_url of the MCP server {self.server_label!r} holds credentials, which would show "
                "in logs. Put them into authorization or headers."
            )


def _tuple_of_names(struct: msgspec.Struct, field: str) -> None:
    """Make a field of tool names a tuple; a list is welcome, a single `str` is a mistake."""
    names = getattr(struct, field)
    if isinstance(names, str):
        raise InvalidTool(f"{field} is a sequence of tool names, not one str: write ({names!r},).")
    msgspec.structs.force_setattr(struct, field, tuple(names))
