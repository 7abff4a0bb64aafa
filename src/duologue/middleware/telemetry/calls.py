"""The spans of tool calls."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from opentelemetry.context import Context
from opentelemetry.trace import Span

from duologue import messages as m
from duologue.middleware.telemetry import names
from duologue.middleware.telemetry.ends import detail_error, end_error
from duologue.middleware.telemetry.session import SessionTrace, Value, seconds, span_name

_MOST_OPEN = 256  # calls that nobody answers must not fill the memory
_REMEMBERED = 256  # calls that are told of more than once


@dataclass(slots=True)
class _Call:
    span: Span
    name: str
    began_at: int


@dataclass(slots=True)
class _HostedCall:
    began_at: int
    parent: Context | None
    turn_id: str | None


class ToolSpans:
    """From a call being whole to its result being sent, whoever runs it; MCP calls while the provider runs them."""

    def __init__(self, session: SessionTrace) -> None:
        self._session = session
        self._open: dict[str, _Call] = {}  # by call id
        self._seen: deque[str] = deque(maxlen=_REMEMBERED)
        self._hosted: dict[str, _HostedCall] = {}  # by item id

    # --- functions of the application ---

    def whole(self, call: m.FunctionCall, parent: Context | None, turn_id: str | None) -> None:
        """A call can be run. It may be told of more than once."""
        if call.call_id in self._seen:
            return
        self._seen.append(call.call_id)
        if len(self._open) >= _MOST_OPEN:
            self._end(next(iter(self._open)), "unanswered")
        now = self._session.now()
        attributes: dict[str, Value | None] = {
            names.TOOL_NAME: call.name,
            names.TOOL_TYPE: "function",
            names.TOOL_CALL_ID: call.call_id,
            names.TURN_ID: turn_id,
            names.TOOL_CALL_ARGUMENTS: call.arguments if self._session.captures else None,
        }
        name = span_name(names.EXECUTE_TOOL, call.name)
        span = self._session.start(name, names.EXECUTE_TOOL, attributes, parent=parent, at=now)
        self._open[call.call_id] = _Call(span, call.name, now)

    def span(self, call_id: str) -> Span | None:
        """The span of a call that has no answer yet."""
        call = self._open.get(call_id)
        return None if call is None else call.span

    def answered(self, result: m.FunctionResult) -> None:
        """The result of a call is on its way to the model."""
        call = self._open.get(result.call_id)
        if call is None:
            return
        if self._session.captures:
            call.span.set_attribute(names.TOOL_CALL_RESULT, result.output)
        if result.is_error:
            self._end(result.call_id, "failed", "tool_error")
        else:
            self._end(result.call_id, "completed")

    def taken_back(self, message: m.ToolCallsCancelled) -> None:
        """The provider does not want these results any more."""
        for call_id in message.call_ids:
            if call_id in self._open:
                self._end(call_id, "cancelled")

    # --- tools that the provider runs ---

    def hosted(self, message: m.OutputItemAdded, parent: Context | None) -> None:
        """The provider is about to call a tool of an MCP server."""
        if message.item.id is not None:
            self._hosted[message.item.id] = _HostedCall(self._session.now(), parent, message.turn_id)
        if len(self._hosted) > _MOST_OPEN:
            del self._hosted[next(iter(self._hosted))]

    def hosted_runs(self, message: m.McpCallProgress) -> None:
        """It calls it now."""
        if message.status == "in_progress" and message.item_id in self._hosted:
            self._hosted[message.item_id].began_at = self._session.now()

    def hosted_done(self, call: m.McpCall) -> None:
        """It has called it."""
        known = self._hosted.pop(call.id or "", None)
        if known is None:
            return
        captures = self._session.captures
        attributes: dict[str, Value | None] = {
            names.TOOL_NAME: call.name,
            names.TOOL_TYPE: "extension",
            names.TOOL_CALL_ID: call.id,
            names.MCP_SERVER: call.server_label,
            names.TURN_ID: known.turn_id,
            names.TOOL_CALL_ARGUMENTS: call.arguments if captures else None,
            names.TOOL_CALL_RESULT: call.output if captures else None,
        }
        name = span_name(names.EXECUTE_TOOL, call.name)
        span = self._session.start(name, names.EXECUTE_TOOL, attributes, parent=known.parent, at=known.began_at)
        running = _Call(span, call.name, known.began_at)
        if call.error is not None:
            self._close(running, "failed", detail_error(call.error, "tool_error"), call.error.message)
        else:
            self._close(running, "completed")

    # --- the end ---

    def end_all(self, end: BaseException) -> None:
        """The session is over; no result can be sent any more."""
        self._hosted.clear()
        error_type = end_error(end)
        for call_id in list(self._open):
            self._end(call_id, "unanswered", error_type)

    def _end(self, call_id: str, outcome: str, error_type: str | None = None) -> None:
        self._close(self._open.pop(call_id), outcome, error_type)

    def _close(self, call: _Call, outcome: str, error_type: str | None = None, words: str | None = None) -> None:
        ended_at = self._session.now()
        call.span.set_attribute(names.TOOL_OUTCOME, outcome)
        if error_type is not None:
            self._session.failed(call.span, names.EXECUTE_TOOL, error_type, words)
        labels = {**self._session.labels(names.EXECUTE_TOOL, error_type), names.TOOL_NAME: call.name}
        self._session.metrics.tool_duration.record(seconds(call.began_at, ended_at), labels)
        call.span.end(ended_at)
