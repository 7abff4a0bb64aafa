"""Writes what sessions do to the standard library's logging."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import msgspec

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.errors import CutOff, DuologueError, SessionEnded, SessionFailed
from duologue.link import Link
from duologue.messages.base import ClientMessage, Message, ServerMessage
from duologue.middleware.redaction import for_log, loggable_text
from duologue.options import SessionOptions
from duologue.runtime import LayeredClient, SessionLayer

TRACE = 5
"""The level of what messages say. It has no name in `logging`, whose levels belong to the application."""

_numbers = itertools.count(1)
_IDS = ("turn_id", "response_id", "item_id", "call_id", "approval_id", "session_id")
_WORDS = frozenset({"text", "transcript", "arguments", "output", "instructions"})


@dataclass(frozen=True, slots=True)
class Logging:
    """Middleware that logs: ``client.with_middleware(FunctionInvocation(), Logging())``.

    Layers outside of it send through it, so that what `FunctionInvocation` sends is logged too.

    ============  =====================================================================================================
    ``.session``  INFO: opened (with whom, what was left out), closed (why). WARNING: did not open, was cut off. ERROR:
                  a layer raised.
    ``.sent``     DEBUG: each message's type, ids and sizes. WARNING: a tool that failed or was refused. `TRACE` (5):
                  what it says.
    ``.received`` The same of what arrives. WARNING: errors, in the provider's words.
    ============  =====================================================================================================

    Records hold their values in ``extra``, as ``duologue_session``, ``duologue_type`` and so on (docs/recording.md).
    Keys, tokens and headers are never logged, nor are audio and pictures: their sizes are.

    Args:
        logger: The name that the three loggers' names begin with.
    """

    logger: str = "duologue"

    def __call__(self, client: RealtimeClient) -> RealtimeClient:
        return _LoggingClient(client, self)


class _LoggingClient(LayeredClient):
    def __init__(self, inner: RealtimeClient, settings: Logging) -> None:
        super().__init__(inner, lambda link: LoggingLayer(link, settings.logger), settings)
        self._log = logging.getLogger(f"{settings.logger}.session")

    async def open_session(self, options: SessionOptions) -> Link:
        try:
            return await super().open_session(options)
        except Exception as error:
            if self._log.isEnabledFor(logging.WARNING):
                self._refused(error)
            raise

    def _refused(self, error: Exception) -> None:
        extra = {"duologue_provider": self.metadata.provider, "duologue_model": self.metadata.model}
        text = loggable_text(str(error)) if isinstance(error, DuologueError) else ""
        reason = f"{type(error).__name__}: {text}" if text else type(error).__name__
        self._log.warning("session did not open: %s", reason, extra={**extra, **_end_fields(error)})


class LoggingLayer(SessionLayer):
    """The layer that `Logging` puts around a session.

    Args:
        inner: The session.
        logger: The name that the loggers' names begin with.
    """

    observes = True

    def __init__(self, inner: Link, logger: str = "duologue") -> None:
        super().__init__(inner)
        self._session = logging.getLogger(f"{logger}.session")
        self._sent = logging.getLogger(f"{logger}.sent")
        self._received = logging.getLogger(f"{logger}.received")
        self._name = f"s{next(_numbers)}"
        self._opened_at = time.monotonic()

    def send(self, message: ClientMessage) -> Coroutine[Any, Any, str]:
        level = _level_sent(message) if type(message) in _NOTABLE_SENT else logging.DEBUG
        if self._sent.isEnabledFor(level):
            return self._send(message, level)
        return self.inner.send(message)

    async def _send(self, message: ClientMessage, level: int) -> str:
        if not isinstance(message, ClientMessage):
            return await self.inner.send(message)  # which says so
        self._note(self._sent, level, "sent", message)
        try:
            return await self.inner.send(message)
        except DuologueError as error:
            reason = type(error).__name__
            extra = {"duologue_session": self._name, "duologue_type": message.type, "duologue_error": reason}
            self._sent.log(level, "%s did not send %s: %s", self._name, message.type, reason, extra=extra)
            raise

    def received(self, message: ServerMessage) -> None:
        kind = type(message)
        level = _level_received(message) if kind in _NOTABLE_RECEIVED else logging.DEBUG
        if self._received.isEnabledFor(level):
            self._note(self._received, level, "received", message)
        if kind is m.SessionCreated:
            self._opened(message)
        self.deliver(message)

    def ended(self, end: SessionEnded) -> None:
        level = logging.ERROR if isinstance(end, SessionFailed) else logging.INFO
        level = logging.WARNING if isinstance(end, CutOff) else level
        if self._session.isEnabledFor(level):
            seconds = time.monotonic() - self._opened_at
            extra = {"duologue_session": self._name, "duologue_seconds": seconds, **_end_fields(end)}
            text = f"{type(end).__name__}: {loggable_text(str(end))}"
            self._session.log(level, "%s closed after %.1f s: %s", self._name, seconds, text, extra=extra)
        super().ended(end)

    def _opened(self, message: ServerMessage) -> None:
        if not self._session.isEnabledFor(logging.INFO):
            return
        who = self.metadata
        extra = {
            "duologue_session": self._name,
            "duologue_session_id": getattr(message, "session_id", None),
            "duologue_provider": who.provider,
            "duologue_model": who.model,
            "duologue_endpoint": who.endpoint and loggable_text(who.endpoint),
            "duologue_dropped": self.dropped,
        }
        without = f", without {', '.join(self.dropped)}" if self.dropped else ""
        whom = " ".join(filter(None, (who.provider, who.model)))
        self._session.info("%s opened with %s%s", self._name, whom, without, extra=extra)

    def _note(self, log: logging.Logger, level: int, verb: str, message: Message) -> None:
        fields = _fields(message)
        shown = "".join(f" {name.removeprefix('duologue_')}={value}" for name, value in fields.items())
        extra = {"duologue_session": self._name, "duologue_type": message.type, **fields}
        log.log(level, "%s %s %s%s", self._name, verb, message.type, shown, extra=extra)
        if log.isEnabledFor(TRACE):
            content = for_log(message)
            extra["duologue_content"] = content
            log.log(TRACE, "%s %s %s", self._name, verb, content, extra=extra)


# --- how grave it is ---

_NOTABLE_SENT = frozenset({m.ItemCreate, m.FunctionCallApproval})
_NOTABLE_RECEIVED = frozenset(
    {m.ErrorReported, m.InputTranscriptFailed, m.McpToolsFailed, m.ConnectionLost, m.SessionExpiring, m.ResponseDone}
)


def _level_sent(message: ClientMessage) -> int:
    match message:
        case m.ItemCreate(item=m.FunctionResult(is_error=True)) | m.FunctionCallApproval(approve=False):
            return logging.WARNING
        case _:
            return logging.DEBUG


def _level_received(message: ServerMessage) -> int:
    if isinstance(message, m.ResponseDone) and message.status != "failed":
        return logging.DEBUG
    return logging.WARNING


# --- what a record holds ---


def _fields(message: Message) -> dict[str, object]:
    """What tells of a message without its content."""
    fields: dict[str, object] = {}
    if message.id is not None:
        fields["duologue_id"] = message.id
    for name in _IDS:
        value = getattr(message, name, None)
        if value is not None:
            fields[f"duologue_{name}"] = value
    if (item := getattr(message, "item", None)) is not None:
        _item_fields(item, fields)
    if isinstance(message, m.ResponseDone):
        fields["duologue_status"] = message.status
    if (error := getattr(message, "error", None)) is not None:
        fields["duologue_error"] = loggable_text(error.message)
        fields["duologue_code"] = error.code
    size, characters = _sizes(message)
    if size:
        fields["duologue_bytes"] = size
    if characters:
        fields["duologue_characters"] = characters
    return fields


def _item_fields(item: m.BaseItem, fields: dict[str, object]) -> None:
    if item.id is not None:
        fields["duologue_item_id"] = item.id
    fields["duologue_item_type"] = item.__struct_config__.tag
    for name in ("call_id", "name"):
        if (value := getattr(item, name, None)) is not None:
            fields[f"duologue_{name}"] = value


def _sizes(value: object, name: str = "") -> tuple[int, int]:
    """Bytes of audio, pictures and raw frames, and characters of words, in all of a message."""
    match value:
        case bytes():
            return len(value), 0
        case msgspec.Raw():
            return len(memoryview(value)), 0
        case str():
            return 0, len(value) if name in _WORDS else 0
        case tuple():
            sizes = [_sizes(member, name) for member in value]
        case msgspec.Struct():
            sizes = [_sizes(getattr(value, field), field) for field in value.__struct_fields__]
        case _:
            return 0, 0
    return sum(size for size, _ in sizes), sum(characters for _, characters in sizes)


def _end_fields(error: Exception) -> dict[str, object]:
    """Why a session is over, or did not begin."""
    fields: dict[str, object] = {"duologue_end": type(error).__name__}
    if isinstance(error, SessionEnded):
        for name in ("code", "close_code", "request_id", "retryable"):
            fields[f"duologue_{name}"] = getattr(error, name)
    return fields
