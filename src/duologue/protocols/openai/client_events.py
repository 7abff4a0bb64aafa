"""The events that a client sends, as they stand on the wire. They are read by the server's role."""

from __future__ import annotations

from typing import Any

import msgspec

from duologue.protocols.json_values import JsonObject


class ClientEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every event of a client has. One with more than is known is read field by field, or refused."""

    event_id: str | None = None


class SessionUpdate(ClientEvent, frozen=True, kw_only=True, tag="session.update"):
    session: JsonObject = {}
    model: str | None = None  # vLLM has it beside the session


class AudioAppend(ClientEvent, frozen=True, kw_only=True, gc=False, tag="input_audio_buffer.append"):
    audio: str = ""


class AudioCommit(ClientEvent, frozen=True, kw_only=True, tag="input_audio_buffer.commit"):
    final: bool | None = None


class AudioClear(ClientEvent, frozen=True, kw_only=True, tag="input_audio_buffer.clear"):
    pass


class ImageAppend(ClientEvent, frozen=True, kw_only=True, tag="input_image_buffer.append"):
    """Qwen's: a JPEG in base64."""

    image: str = ""


class ItemCreate(ClientEvent, frozen=True, kw_only=True, tag="conversation.item.create"):
    item: JsonObject = {}
    previous_item_id: str | None = None


class ItemDelete(ClientEvent, frozen=True, kw_only=True, tag="conversation.item.delete"):
    item_id: str = ""


class ItemRetrieve(ClientEvent, frozen=True, kw_only=True, tag="conversation.item.retrieve"):
    item_id: str = ""


class ItemTruncate(ClientEvent, frozen=True, kw_only=True, tag="conversation.item.truncate"):
    item_id: str = ""
    content_index: int = 0
    audio_end_ms: int = 0


class ResponseCreate(ClientEvent, frozen=True, kw_only=True, tag="response.create"):
    response: JsonObject | None = None


class ResponseCancel(ClientEvent, frozen=True, kw_only=True, tag="response.cancel"):
    response_id: str | None = None


class OutputAudioClear(ClientEvent, frozen=True, kw_only=True, tag="output_audio_buffer.clear"):
    pass


class ApprovalResponse(ClientEvent, frozen=True, kw_only=True, tag="mcp_approval_response"):
    """Voice Live's: elsewhere it is an item."""

    approval_request_id: str = ""
    approve: bool = False
    reason: str | None = None


class TurnStart(ClientEvent, frozen=True, kw_only=True, tag="input_audio.turn.start"):
    """Voice Live's."""

    turn_id: Any = None


class TurnEnd(ClientEvent, frozen=True, kw_only=True, tag="input_audio.turn.end"):
    """Voice Live's."""

    turn_id: Any = None


CLIENT_EVENTS: tuple[type[ClientEvent], ...] = tuple(
    event
    for event in vars().copy().values()
    if isinstance(event, type) and issubclass(event, ClientEvent) and event.__struct_config__.tag is not None
)
