"""The frames that a client of Gemini Live sends, as they stand on the wire: one field each."""

from __future__ import annotations

from typing import Any

import msgspec

from duologue.protocols.gemini.content_frames import Blob, Content, FunctionResponse, WireStruct

JsonObject = dict[str, Any]


class ClientContent(WireStruct):
    """Turns for the conversation. With `turn_complete` the model answers; else it waits for more."""

    turns: tuple[Content, ...] = ()
    turn_complete: bool | None = None


class RealtimeInput(WireStruct):
    """One thing that the user says, shows, writes or does just now."""

    audio: Blob | None = None
    video: Blob | None = None
    text: str | None = None
    activity_start: JsonObject | None = None
    activity_end: JsonObject | None = None
    audio_stream_end: bool | None = None
    media_chunks: tuple[Blob, ...] | None = None  # the older form of audio and video


class ToolResponse(WireStruct):
    """Results of functions."""

    function_responses: tuple[FunctionResponse, ...] = ()


class ContextTools(WireStruct, omit_defaults=False):
    """The tools that hold from now on; none at all if the list is empty, which is therefore written."""

    tools: tuple[JsonObject, ...] = ()


class ContextUpdate(WireStruct):
    """Other instructions or tools for the running session."""

    system_instruction: Content | None = None
    tools: ContextTools | None = None


class ClientFrame(WireStruct):
    """A frame of a client; one field of it is there.

    Attributes:
        setup: The first frame: model, options, tools, handle. Free of form, as it takes what applications pass along.
    """

    setup: JsonObject | None = None
    client_content: ClientContent | None = None
    realtime_input: RealtimeInput | None = None
    tool_response: ToolResponse | None = None
    context_update: ContextUpdate | None = None


_encoder = msgspec.json.Encoder()


def encode_client_frame(frame: ClientFrame) -> str:
    """The frame as a client sends it: JSON in a text frame."""
    return _encoder.encode(frame).decode()
