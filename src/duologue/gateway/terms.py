"""What a client may do: which options it may change, and which addresses it may name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

import msgspec

from duologue import messages as m
from duologue.errors import DuologueError
from duologue.messages.base import ClientMessage
from duologue.options import PromptTemplate, SessionOptions
from duologue.tools import FunctionTool, McpServerTool, Tool

_ITS_OWN = frozenset({"input_audio", "output_audio"})
"""Formats are the client's own affair: the gateway converts."""
_OF_ONE_RESPONSE = frozenset({"items", "metadata"})
_CONFIDENTIAL = ("instructions", "prompt")


class NotAllowed(DuologueError):
    """The client asked for what it may not have. Nothing was sent.

    Args:
        text: What, and why not.
        code: The code of the error that it gets.
        param: The field that it is about.
    """

    def __init__(self, text: str, code: str, param: str | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.param = param


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """The terms on which a client has a session.

    Attributes:
        options: What the session is like. Tools with a function run on the server, whatever tools the client adds.
        client_may: The names of the `SessionOptions` that the client may change, in the session or for one response;
            None: all. Formats of audio it always may. Who may not change the instructions may not read them, nor add
            system messages.
        hide_server_tools: Whether calls of tools that run on the server are kept from the client, who would answer
            them, too.
        passthrough: Whether events and fields that are not known go to the upstream as they are.
        mcp_servers: Hosts, or connectors, of MCP servers that the client may have the upstream connect to; ``"*"`` for
            any.
        image_hosts: Hosts of pictures that it may name by address, rather than send; ``"*"`` for any.
        ignores: Options that clients state out of habit and that are dropped, by their names (``"voice"``,
            ``"transcription.model"``), each with the values that are dropped; an empty collection: any value.
    """

    options: SessionOptions = SessionOptions()
    client_may: frozenset[str] | None = None
    hide_server_tools: bool = True
    passthrough: bool = False
    mcp_servers: frozenset[str] = frozenset()
    image_hosts: frozenset[str] = frozenset()
    ignores: Mapping[str, Collection[str]] = {}

    @property
    def server_tools(self) -> tuple[FunctionTool, ...]:
        """The tools that run on the server."""
        tools = self.options.tools or ()
        return tuple(tool for tool in tools if isinstance(tool, FunctionTool) and tool.has_implementation)

    def may(self, option: str) -> bool:
        """Whether the client may change that option."""
        return self.client_may is None or option in self.client_may or option in _ITS_OWN

    def told(self, options: SessionOptions) -> SessionOptions:
        """What the client gets to know of the session's options."""
        secret = dict.fromkeys((name for name in _CONFIDENTIAL if not self.may(name)), None)
        tools = options.tools
        if tools is not None and self.hide_server_tools:
            tools = tuple(tool for tool in tools if not _runs_here(tool))
        return msgspec.structs.replace(options, tools=tools, history=None, raw_factory=None, extra={}, **secret)

    def check(self, message: ClientMessage, current: SessionOptions) -> ClientMessage:
        """The message as it goes on: what changes nothing is left out, tools of the server are added.

        Args:
            message: The client's.
            current: The session's options.

        Raises:
            NotAllowed: The client may not do that.
        """
        match message:
            case m.SessionUpdate():
                return msgspec.structs.replace(message, options=self._update(message.options, current))
            case m.ResponseCreate():
                return self._request(message, current)
            case m.ItemCreate():
                self._check_item(message.item, "item")
            case m.Say() if not self.may("instructions"):
                raise NotAllowed("This client may not say what the model says.", "not_allowed")
            case m.RawClientMessage() if not self.passthrough:
                name = message.data.get("type") if isinstance(message.data, dict) else None
                raise NotAllowed(f"Invalid value: {name!r}. There is no such event.", "invalid_value", "type")
            case _:
                pass
        return message

    def _update(self, asked: SessionOptions, current: SessionOptions) -> SessionOptions:
        self._check_prompt(asked.prompt, "session")
        changes = {}
        for name in asked.stated():
            value = getattr(asked, name)
            if name == "extra":
                if self.passthrough:
                    changes[name] = value
            elif name in ("kind", "model"):
                if value != (getattr(current, name) or ("conversation" if name == "kind" else value)):
                    field = "type" if name == "kind" else name
                    raise NotAllowed(
                        f"The {field} of a session cannot be changed.", "cannot_be_changed", f"session.{field}"
                    )
            elif name == "tools":
                changes[name] = self._tools(value, "session.tools")
            elif value != getattr(current, name):
                self._check_option(name, f"session.{name}")
                changes[name] = value
        return SessionOptions(**changes)

    def _request(self, request: m.ResponseCreate, current: SessionOptions) -> m.ResponseCreate:
        self._check_prompt(request.prompt, "response")
        for name in request.overrides():
            if name == "extra":
                if not self.passthrough:
                    request = msgspec.structs.replace(request, extra={})
            elif name == "tools":
                request = msgspec.structs.replace(request, tools=self._tools(request.tools or (), "response.tools"))
            elif name not in _OF_ONE_RESPONSE and getattr(request, name) != getattr(current, name, None):
                self._check_option(name, f"response.{name}")
        for index, item in enumerate(request.items or ()):
            self._check_item(item, f"response.input[{index}]")
        return request

    def _check_prompt(self, prompt: PromptTemplate | None, param: str) -> None:
        values = () if prompt is None else prompt.variables.values()
        if any(not isinstance(value, str) for value in values) and "*" not in self.image_hosts:
            raise NotAllowed("The variables of a prompt are texts.", _REACH, f"{param}.prompt.variables")

    def _check_option(self, name: str, param: str) -> None:
        if not self.may(name):
            may = ", ".join(sorted(self.client_may or ())) or "nothing"
            raise NotAllowed(f"This client may not change {name}. It may change: {may}.", "not_allowed", param)

    def _tools(self, asked: tuple[Tool, ...], param: str) -> tuple[Tool, ...]:
        own = self.server_tools
        names = {tool.name for tool in own}
        for tool in asked:
            if isinstance(tool, FunctionTool) and tool.name in names:
                raise NotAllowed(f"The name {tool.name!r} is taken by a tool of the server.", "invalid_value", param)
            if isinstance(tool, McpServerTool):
                self._check_server(tool, param)
        if asked:
            self._check_option("tools", param)
        return (*own, *asked)

    def _check_server(self, tool: McpServerTool, param: str) -> None:
        address = tool.connector_id or tool.tunnel_id or _host(tool.server_url)
        if not _is_listed(address, self.mcp_servers):
            raise NotAllowed(f"The MCP server {tool.server_label!r} is not on the list.", _REACH, param)

    def _check_item(self, item: m.Item, param: str) -> None:
        if not isinstance(item, m.MessageItem):
            return
        if item.role == "system" and not self.may("instructions"):
            raise NotAllowed("This client may not add system messages.", "not_allowed", f"{param}.role")
        for index, part in enumerate(item.content):
            url = part.url if isinstance(part, m.ImageContent) and part.data is None else None
            if isinstance(part, m.ImageContent) and part.data is None and not _is_listed(_host(url), self.image_hosts):
                raise NotAllowed(
                    "Pictures are sent as data URIs: this server fetches none from that address.",
                    _REACH,
                    f"{param}.content[{index}].image_url",
                )


_REACH = "address_not_allowed"


def _runs_here(tool: Tool) -> bool:
    """Whether calls of that tool are run on the server."""
    return isinstance(tool, FunctionTool) and tool.has_implementation


def _host(url: str | None) -> str | None:
    try:
        parts = urlsplit(url or "")
        return parts.hostname if parts.scheme == "https" and not parts.username else None
    except ValueError:
        return None


def _is_listed(address: str | None, listed: frozenset[str]) -> bool:
    return address is not None and (address in listed or "*" in listed)
