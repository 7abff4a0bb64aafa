"""Client events as messages, for the server's role."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from duologue import messages as m
from duologue.content import ImageContent, TextContent
from duologue.items import Item, McpApprovalResponse, MessageItem
from duologue.messages.base import ClientMessage
from duologue.options import SessionOptions
from duologue.protocols.base64_text import decode_base64
from duologue.protocols.json_values import as_object
from duologue.protocols.openai import client_events as wire
from duologue.protocols.openai.audio_formats import default_pcm
from duologue.protocols.openai.dialect import Dialect
from duologue.protocols.openai.items import read_item
from duologue.protocols.openai.requests import read_request
from duologue.protocols.openai.session_reading import read_session, unread_fields, with_rate


def read_client_event(event: wire.ClientEvent, dialect: Dialect) -> ClientMessage:
    """The message that `event` stands for, in that dialect.

    Raises:
        ValueError: Its audio or image is no base64.
    """
    if isinstance(event, wire.SessionUpdate):
        return _session_update(event, dialect)
    return _READERS[type(event)](event)


def _session_update(event: wire.SessionUpdate, dialect: Dialect) -> ClientMessage:
    read = with_rate(read_session(event.session, default_pcm(dialect)), dialect)
    options = replace(read, extra=unread_fields(event.session))
    if event.model is not None:
        options = SessionOptions(model=event.model)
    return m.SessionUpdate(id=event.event_id, options=options)


def _append(event: wire.AudioAppend) -> ClientMessage:
    return m.InputAudioAppend(id=event.event_id, audio=decode_base64(event.audio))


def _image(event: wire.ImageAppend) -> ClientMessage:
    image = ImageContent(data=decode_base64(event.image), media_type="image/jpeg")
    return m.InputImageAppend(id=event.event_id, image=image)


def _commit(event: wire.AudioCommit) -> ClientMessage:
    return m.InputAudioEnd(id=event.event_id) if event.final else m.InputAudioCommit(id=event.event_id)


def _item_create(event: wire.ItemCreate) -> ClientMessage:
    item = read_item(event.item)
    if event.item.get("type") == "force_message" and (said := _text_alone(item)) is not None:
        return m.Say(id=event.event_id, text=said, when="now")
    if isinstance(item, McpApprovalResponse):
        return m.FunctionCallApproval(
            id=event.event_id, approval_id=item.approval_request_id, approve=item.approve, reason=item.reason
        )
    return m.ItemCreate(id=event.event_id, item=item, previous_item_id=event.previous_item_id)


def _response_create(event: wire.ResponseCreate) -> ClientMessage:
    scripted = as_object(event.response).get("pre_generated_assistant_message")
    if isinstance(scripted, dict):
        item = read_item({"type": "message", "role": "assistant", **scripted})
        if (said := _text_alone(item)) is not None:
            return m.Say(id=event.event_id, text=said, when="now")
    return read_request(event.response, event.event_id)


def _text_alone(item: Item) -> str | None:
    """What a message says that consists of text."""
    if isinstance(item, MessageItem) and all(isinstance(part, TextContent) for part in item.content):
        return item.text
    return None


_READERS: dict[type[wire.ClientEvent], Callable[[Any], ClientMessage]] = {
    wire.AudioAppend: _append,
    wire.AudioCommit: _commit,
    wire.AudioClear: lambda e: m.InputAudioClear(id=e.event_id),
    wire.ImageAppend: _image,
    wire.ItemCreate: _item_create,
    wire.ItemDelete: lambda e: m.ItemDelete(id=e.event_id, item_id=e.item_id),
    wire.ItemRetrieve: lambda e: m.ItemRetrieve(id=e.event_id, item_id=e.item_id),
    wire.ItemTruncate: lambda e: m.ItemTruncate(
        id=e.event_id, item_id=e.item_id, content_index=e.content_index, audio_end_ms=e.audio_end_ms
    ),
    wire.ResponseCreate: _response_create,
    wire.ResponseCancel: lambda e: m.ResponseCancel(id=e.event_id, response_id=e.response_id),
    wire.OutputAudioClear: lambda e: m.OutputAudioClear(id=e.event_id),
    wire.ApprovalResponse: lambda e: m.FunctionCallApproval(
        id=e.event_id, approval_id=e.approval_request_id, approve=e.approve, reason=e.reason
    ),
    wire.TurnStart: lambda e: m.UserTurnStart(id=e.event_id),
    wire.TurnEnd: lambda e: m.UserTurnEnd(id=e.event_id),
}
