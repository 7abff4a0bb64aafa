"""What a model may call: functions of the application, and MCP servers that a provider reaches by itself.

Importing this is quick: what reads signatures (pydantic) and example phrases is loaded with the first one.
"""

from __future__ import annotations

from duologue.tools.behaviour import ApprovalCondition, OnInterruption, Scheduling
from duologue.tools.context import ToolContext
from duologue.tools.decorator import tool
from duologue.tools.function import FunctionTool
from duologue.tools.mcp import McpApprovalFilter, McpServerTool
from duologue.tools.result import render_result

Tool = FunctionTool | McpServerTool
"""Anything that `SessionOptions.tools` takes."""

__all__ = [
    "ApprovalCondition",
    "FunctionTool",
    "McpApprovalFilter",
    "McpServerTool",
    "OnInterruption",
    "Scheduling",
    "Tool",
    "ToolContext",
    "render_result",
    "tool",
]
