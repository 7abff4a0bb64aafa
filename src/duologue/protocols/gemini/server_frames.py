"""The frames that a Gemini Live server sends, as they stand on the wire.

A frame has no type. It is an object with one field for each thing that it tells, and may tell several at once. Every
field is optional. Names are in camel case; a frame with any other name is read leniently (`decoding`).
"""

from __future__ import annotations

from typing import Any

import msgspec

from duologue.protocols.gemini.content_frames import Content, FunctionCall, WireStruct


class SetupComplete(WireStruct):
    """The session is open: the answer to ``setup``."""

    session_id: str | None = None
    voice_consent_signature: dict[str, Any] | None = None


class Transcript(WireStruct):
    """A piece of what somebody says."""

    text: str = ""
    finished: bool = False
    language_code: str | None = None
    speaker_label: str | None = None
    words: tuple[Any, ...] | None = None
    start_offset: str | None = None
    end_offset: str | None = None


class ServerContent(WireStruct):
    """What the model and the user say, and where the turn stands."""

    model_turn: Content | None = None
    turn_complete: bool = False
    interrupted: bool = False
    generation_complete: bool = False
    input_transcription: Transcript | None = None
    interim_input_transcription: Transcript | None = None
    output_transcription: Transcript | None = None
    turn_complete_reason: str | None = None
    waiting_for_input: bool = False
    interaction_status: str | None = None
    grounding_metadata: dict[str, Any] | None = None
    url_context_metadata: dict[str, Any] | None = None


class ToolCall(WireStruct):
    """Functions that the application is to run."""

    function_calls: tuple[FunctionCall, ...] = ()


class ToolCallCancellation(WireStruct):
    """Calls whose results are not wanted any more."""

    ids: tuple[str, ...] = ()


class ModalityTokens(WireStruct):
    """Tokens of one kind: ``"TEXT"``, ``"AUDIO"``, ``"IMAGE"``, ``"VIDEO"`` or ``"DOCUMENT"``."""

    modality: str | None = None
    token_count: int | None = None


class UsageMetadata(WireStruct):
    """What the turn has cost so far. Vertex AI calls the response's tokens those of candidates."""

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    response_token_count: int | None = None
    candidates_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    thoughts_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: tuple[ModalityTokens, ...] = ()
    cache_tokens_details: tuple[ModalityTokens, ...] = ()
    response_tokens_details: tuple[ModalityTokens, ...] = ()
    candidates_tokens_details: tuple[ModalityTokens, ...] = ()
    tool_use_prompt_tokens_details: tuple[ModalityTokens, ...] = ()
    traffic_type: str | None = None
    service_tier: str | None = None


class GoAway(WireStruct):
    """The connection will be closed soon. The time is a duration such as ``"9.5s"``."""

    time_left: str | None = None


class ResumptionUpdate(WireStruct):
    """A handle with which another connection can go on."""

    new_handle: str | None = None
    resumable: bool = False
    last_consumed_client_message_index: int | None = None


class VoiceActivity(WireStruct):
    """The user begins or stops to speak; the offset is a duration from the start of the audio."""

    voice_activity_type: str | None = None
    audio_offset: str | None = None


class VoiceActivitySignal(WireStruct):
    """The older form of `VoiceActivity`."""

    vad_signal_type: str | None = None


class ServerFrame(WireStruct):
    """All that one frame of a server tells."""

    setup_complete: SetupComplete | None = None
    server_content: ServerContent | None = None
    tool_call: ToolCall | None = None
    tool_call_cancellation: ToolCallCancellation | None = None
    usage_metadata: UsageMetadata | None = None
    go_away: GoAway | None = None
    session_resumption_update: ResumptionUpdate | None = None
    voice_activity: VoiceActivity | None = None
    voice_activity_detection_signal: VoiceActivitySignal | None = None
    error: Any = None
    code: Any = None
    message: Any = None
    status: Any = None


def encode_server_frame(frame: ServerFrame) -> bytes:
    """The frame as a server sends it: JSON in a binary frame."""
    return msgspec.json.encode(frame)
