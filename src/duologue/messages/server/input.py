"""Server messages about the user's input."""

from __future__ import annotations

import msgspec

from duologue.content import ErrorDetail, Usage
from duologue.messages.base import ServerMessage, tag_of


class InputSpeechStarted(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The user starts to speak (``input_audio_buffer.speech_started``).

    Attributes:
        item_id: The user item to come.
        audio_start_ms: Where, in ms of all input audio of the session, prefix padding included.
    """

    item_id: str | None = None
    audio_start_ms: int | None = None


class InputSpeechStopped(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The user has stopped speaking (``input_audio_buffer.speech_stopped``).

    Attributes:
        audio_end_ms: Where, in ms of all input audio of the session.
    """

    item_id: str | None = None
    audio_end_ms: int | None = None


class InputAudioCommitted(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The input buffer became a user item (``input_audio_buffer.committed``)."""

    item_id: str | None = None
    previous_item_id: str | None = None


class InputAudioCleared(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The input buffer is empty (``input_audio_buffer.cleared``)."""


class InputIdleTimeout(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The user was silent for too long (``input_audio_buffer.timeout_triggered``)."""

    item_id: str | None = None
    audio_start_ms: int | None = None
    audio_end_ms: int | None = None


class DtmfReceived(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """A key of a telephone (``input_audio_buffer.dtmf_event_received``).

    Attributes:
        received_at: Seconds since 1970.
    """

    key: str
    received_at: int | None = None


class TokenProbability(msgspec.Struct, frozen=True, kw_only=True):
    """One token of a transcript, with its log probability."""

    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None


class SpokenLanguage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A language that a transcription noticed."""

    code: str
    confidence: float | None = None


class InputTranscriptDelta(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """More of the user's words (``conversation.item.input_audio_transcription.delta``).

    Attributes:
        text: The words.
        replaces: `text` is all of it so far, in place of earlier deltas of this part.
    """

    item_id: str
    content_index: int = 0
    text: str
    replaces: bool = False
    logprobs: tuple[TokenProbability, ...] | None = None


class InputTranscriptCompleted(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The user's words, in place of all deltas (``conversation.item.input_audio_transcription.completed``).

    Attributes:
        confidence: How sure the engine is, 0 to 1.
        usage: What the transcription cost, apart from the responses.
    """

    item_id: str
    content_index: int = 0
    text: str
    confidence: float | None = None
    usage: Usage | None = None
    languages: tuple[SpokenLanguage, ...] | None = None
    logprobs: tuple[TokenProbability, ...] | None = None


class InputTranscriptFailed(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """No transcript for this item (``conversation.item.input_audio_transcription.failed``)."""

    item_id: str
    content_index: int = 0
    error: ErrorDetail


class InputTranscriptSegment(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """One speaker's stretch of the user's audio (``conversation.item.input_audio_transcription.segment``)."""

    item_id: str
    content_index: int = 0
    segment_id: str | None = None
    speaker: str | None = None
    text: str
    start_ms: float
    end_ms: float
