"""What a frame tells that there is no message for."""

from __future__ import annotations

import msgspec

from duologue import messages as m
from duologue.content import ErrorDetail
from duologue.protocols.gemini import server_frames as wire
from duologue.protocols.gemini.content_frames import Part
from duologue.transports.base import Frame


def untold(read: wire.ServerFrame, content: wire.ServerContent) -> list[str]:
    """The names of what a frame tells that there is no message for."""
    names = []
    if read.tool_call is not None and not all(call.name for call in read.tool_call.function_calls):
        names.append("toolCall")
    if content.grounding_metadata is not None:
        names.append("groundingMetadata")
    if content.url_context_metadata is not None:
        names.append("urlContextMetadata")
    for part in () if content.model_turn is None else content.model_turn.parts:
        if part.text is None and (part.inline_data is None or not _is_audio(part)):
            names += [name for name in msgspec.to_builtins(part) if name not in ("thought", "thoughtSignature")]
    return names


def _is_audio(part: Part) -> bool:
    return part.inline_data is not None and (part.inline_data.mime_type or "").startswith("audio/")


def undecodable(text: str) -> m.ErrorReported:
    """A frame, or a part of one, that cannot be read."""
    return m.ErrorReported(kind="undecodable", error=ErrorDetail(message=text))


def raw_message(name: str, frame: Frame) -> m.RawServerMessage:
    """A frame of which `name` has no message."""
    data = frame.encode() if isinstance(frame, str) else bytes(frame)
    return m.RawServerMessage(event_type=name, data=msgspec.Raw(data))
