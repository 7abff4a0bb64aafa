"""MCP servers as tools: what is refused, and that secrets do not show."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from duologue.errors import InvalidTool
from duologue.secret import Secret
from duologue.tools import FunctionTool, McpApprovalFilter, McpServerTool, Tool

URL = "https://tools.example.com/mcp"


def test_secrets_show_nowhere() -> None:
    server = McpServerTool(
        server_label="files",
        server_url=URL,
        authorization=Secret.of("token-1"),
        headers={"X-Key": Secret.of("key-1")},
    )
    encoded = msgspec.json.encode(server).decode()
    for shown in (repr(server), str(server), encoded):
        assert "token-1" not in shown
        assert "key-1" not in shown
        assert "***" in shown
    assert server.authorization is not None
    assert server.authorization.reveal() == "token-1"


def test_plain_text_becomes_a_secret_at_once() -> None:
    plain: dict[str, Any] = {"authorization": "token-1", "headers": {"X-Key": "key-1"}}
    server = McpServerTool(server_label="files", server_url=URL, **plain)
    assert "token-1" not in repr(server)
    assert server.headers["X-Key"].reveal() == "key-1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"server_label": ""}, "needs a server_label"),
        ({"server_url": None}, "it has none of them"),
        ({"connector_id": "connector_gmail"}, "it has server_url and connector_id"),
        ({"server_url": "tools.example.com"}, "has to begin with https://"),
        ({"server_url": "https://"}, "has to begin with https://"),
        ({"server_url": "https://me:pass-1@tools.example.com"}, "holds credentials"),
        ({"authorization": 7}, "are text"),
        ({"headers": {"X-Key": None}}, "are text"),
        ({"allowed_tools": "search"}, "not one str"),
        ({"require_approval": "sometimes"}, "require_approval is"),
    ],
)
def test_refuses_what_cannot_work(changes: dict[str, Any], message: str) -> None:
    fields: dict[str, Any] = {"server_label": "files", "server_url": URL} | changes
    with pytest.raises(InvalidTool, match=message) as raised:
        McpServerTool(**fields)
    assert "pass-1" not in str(raised.value)


def test_a_tool_is_not_approved_always_and_never() -> None:
    with pytest.raises(InvalidTool, match="names delete under always and under never"):
        McpApprovalFilter(always=("delete",), never=("delete", "search"))


@pytest.mark.parametrize(
    "server",
    [
        McpServerTool(server_label="mail", connector_id="connector_gmail", require_approval="never"),
        McpServerTool(server_label="home", tunnel_id="tunnel_1", read_only=True, defer_loading=True),
        McpServerTool(
            server_label="files",
            server_url=URL,
            allowed_tools=("search", "delete"),
            require_approval=McpApprovalFilter(always=("delete",), never=("search",)),
        ),
    ],
)
def test_reads_back_from_json(server: McpServerTool) -> None:
    encoded = msgspec.json.encode(server)
    assert msgspec.json.decode(encoded, type=Tool) == server


def test_json_tells_tools_apart() -> None:
    tools = (FunctionTool(name="f"), McpServerTool(server_label="mail", connector_id="connector_gmail"))
    assert msgspec.json.decode(msgspec.json.encode(tools), type=tuple[Tool, ...]) == tools
