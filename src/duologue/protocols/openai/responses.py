"""Response objects: what a server says of a response, to and from the wire."""

from __future__ import annotations

from typing import Any

from duologue import messages as m
from duologue.content import ErrorDetail
from duologue.formats import AudioFormat
from duologue.protocols.json_values import JsonObject, as_object, as_objects, as_text, put, text_map
from duologue.protocols.openai.audio_formats import flat_format, read_format, write_format
from duologue.protocols.openai.dialect import Dialect
from duologue.protocols.openai.items import read_item, write_told_item
from duologue.protocols.openai.session_reading import read_max_tokens, read_modalities, read_voice
from duologue.protocols.openai.session_writing import write_max_tokens, write_modalities, write_voice
from duologue.protocols.openai.usage import read_usage, write_usage


def read_response(
    response: JsonObject,
    *,
    event_id: str | None,
    out_of_band: bool | None = None,
    bare_pcm: AudioFormat | None = None,
) -> dict[str, Any]:
    """The fields of `ResponseCreated` and `ResponseDone` that `response` tells.

    Args:
        response: What the wire says.
        event_id: The event's id.
        out_of_band: Whether it is out of band, where that is known; else its conversation tells.
        bare_pcm: What PCM is whose rate is not stated; None where that is not known.
    """
    output = as_object(as_object(response.get("audio")).get("output"))
    details = as_object(response.get("status_details"))
    if out_of_band is None:
        out_of_band = "conversation_id" in response and response["conversation_id"] is None
    return {
        "id": event_id,
        "response_id": as_text(response.get("id")) or "",
        "status": as_text(response.get("status")) or "in_progress",
        "reason": as_text(details.get("reason")),
        "error": read_error_detail(details.get("error")),
        "items": tuple(read_item(item) for item in as_objects(response.get("output"))),
        "conversation_id": as_text(response.get("conversation_id")),
        "out_of_band": out_of_band,
        "output_modalities": read_modalities(response.get("output_modalities", response.get("modalities"))),
        "output_audio": read_format(output.get("format", response.get("output_audio_format")), bare_pcm=bare_pcm),
        "voice": read_voice(output.get("voice", response.get("voice"))),
        "max_output_tokens": read_max_tokens(response.get("max_output_tokens")),
        "metadata": text_map(response.get("metadata")),
        "usage": read_usage(response.get("usage")),
    }


def write_response(message: m.ResponseCreated | m.ResponseDone, dialect: Dialect) -> JsonObject:
    """The response object for `message`."""
    written: JsonObject = {
        "object": "realtime.response",
        "id": message.response_id,
        "status": message.status,
        "status_details": _write_details(message),
        "output": [write_told_item(item, dialect) for item in message.items],
        "conversation_id": message.conversation_id,
    }
    if message.conversation_id is None and not message.out_of_band:
        del written["conversation_id"]
    put(written, dialect.modalities_field, write_modalities(message.output_modalities, dialect))
    put(written, "max_output_tokens", write_max_tokens(message.max_output_tokens))
    if dialect.session_layout == "flat":
        put(written, "voice", write_voice(message.voice, dialect))
        audio = message.output_audio
        put(written, "output_audio_format", None if audio is None else flat_format(audio, dialect))
    else:
        output: JsonObject = {}
        put(output, "format", None if message.output_audio is None else write_format(message.output_audio))
        put(output, "voice", write_voice(message.voice, dialect))
        if output:
            written["audio"] = {"output": output}
    written["usage"] = write_usage(message.usage)
    written["metadata"] = message.metadata
    return written


def _write_details(message: m.ResponseCreated | m.ResponseDone) -> JsonObject | None:
    if message.reason is None and message.error is None:
        return None
    written: JsonObject = {"type": message.status}
    put(written, "reason", message.reason)
    if message.error is not None:
        written["error"] = {"type": message.error.type, "code": message.error.code, "message": message.error.message}
    return written


def read_error_detail(value: object) -> ErrorDetail | None:
    """An error as an object or as text; None if it tells nothing."""
    if isinstance(value, str):
        return ErrorDetail(message=value)
    if not isinstance(value, dict) or not value:
        return None
    code = value.get("code")
    return ErrorDetail(
        message=as_text(value.get("message")) or "",
        type=as_text(value.get("type")),
        code=str(code) if isinstance(code, str | int) else None,
        param=as_text(value.get("param")),
    )


def write_error_detail(error: ErrorDetail) -> JsonObject:
    """An error as the wire has it."""
    return {
        "type": error.type or "invalid_request_error",
        "code": error.code,
        "message": error.message,
        "param": error.param,
    }
