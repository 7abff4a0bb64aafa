"""What frames of both directions are made of: contents, parts, blobs, function calls and their results."""

from __future__ import annotations

from typing import Any

import msgspec


class WireStruct(
    msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True, gc=False
):
    """The base of all objects of this wire. An unknown field is an error, so that it is looked at more closely."""


class Blob(WireStruct):
    """Bytes as base64, in either alphabet; their type is such as ``"audio/pcm;rate=24000"``."""

    mime_type: str | None = None
    data: str = ""
    display_name: str | None = None


class FunctionCall(WireStruct):
    """The model asks for a function to be run."""

    id: str | None = None
    name: str = ""
    args: dict[str, Any] | None = None
    partial_args: tuple[Any, ...] | None = None
    will_continue: bool | None = None


class FunctionResponse(WireStruct):
    """The result of a function, as a JSON object.

    Attributes:
        scheduling: ``"SILENT"``, ``"WHEN_IDLE"`` or ``"INTERRUPT"``; only for functions that do not block.
    """

    id: str | None = None
    name: str | None = None
    response: dict[str, Any] | None = None
    scheduling: str | None = None
    will_continue: bool | None = None
    parts: tuple[Any, ...] | None = None


class Part(WireStruct):
    """One part of a content. Of what a live session uses, the first fields; the rest is known by name."""

    text: str | None = None
    thought: bool = False
    inline_data: Blob | None = None
    file_data: dict[str, Any] | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    executable_code: dict[str, Any] | None = None
    code_execution_result: dict[str, Any] | None = None
    thought_signature: str | None = None
    video_metadata: dict[str, Any] | None = None
    media_resolution: Any = None
    tool_call: dict[str, Any] | None = None
    tool_response: dict[str, Any] | None = None
    part_metadata: dict[str, Any] | None = None
    audio_transcription: dict[str, Any] | None = None
    media_processing: Any = None
    speech_metadata: dict[str, Any] | None = None
    document_metadata: dict[str, Any] | None = None
    spreadsheet_metadata: dict[str, Any] | None = None
    audio_metadata: dict[str, Any] | None = None


class Content(WireStruct):
    """A turn, or a piece of one; the role is ``"user"`` or ``"model"``."""

    parts: tuple[Part, ...] = ()
    role: str | None = None
