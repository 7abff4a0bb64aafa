"""Server messages about the model's responses."""

from __future__ import annotations

from typing import Literal

from duologue.content import Content, ErrorDetail, Usage
from duologue.formats import AudioFormat
from duologue.items import FunctionCall, Item, McpApprovalRequest
from duologue.messages.base import ServerMessage, tag_of
from duologue.options import Modality

ResponseStatus = Literal["in_progress", "completed", "cancelled", "incomplete", "failed"]


class _Response(ServerMessage, frozen=True, kw_only=True):
    """A response as the provider describes it.

    Attributes:
        status: How it stands.
        reason: Why it is not complete: ``"turn_detected"``, ``"client_cancelled"``, ``"max_output_tokens"``,
            ``"content_filter"`` or a provider's own.
        error: What went wrong, if it failed.
        items: Its output so far.
        conversation_id: The conversation that it belongs to.
        out_of_band: It is no part of the conversation.
        output_audio: The format of its audio.
        voice: Its voice.
        max_output_tokens: Its bound.
        metadata: What `ResponseCreate.metadata` held.
        usage: What it cost.
    """

    response_id: str
    status: ResponseStatus | str = "in_progress"
    reason: str | None = None
    error: ErrorDetail | None = None
    items: tuple[Item, ...] = ()
    conversation_id: str | None = None
    out_of_band: bool = False
    output_modalities: tuple[Modality, ...] | None = None
    output_audio: AudioFormat | None = None
    voice: str | None = None
    max_output_tokens: int | Literal["unlimited"] | None = None
    metadata: dict[str, str] | None = None
    usage: Usage | None = None


class ResponseCreated(_Response, frozen=True, kw_only=True, tag=tag_of):
    """The model begins to answer (``response.created``)."""


class ResponseDone(_Response, frozen=True, kw_only=True, tag=tag_of):
    """Generation has finished; playback may go on (``response.done``)."""

    @property
    def function_calls(self) -> tuple[FunctionCall, ...]:
        """The calls to run: whole ones, of a response that came to its end."""
        if self.status != "completed":
            return ()
        return tuple(
            item for item in self.items if isinstance(item, FunctionCall) and item.status in (None, "completed")
        )

    @property
    def awaits_tool_results(self) -> bool:
        """Whether the model needs results, or an approval, before it can go on."""
        return bool(self.function_calls) or (
            self.status == "completed" and any(isinstance(item, McpApprovalRequest) for item in self.items)
        )


class OutputItemAdded(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """A response begins an item (``response.output_item.added``)."""

    response_id: str
    output_index: int = 0
    item: Item


class OutputItemDone(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """An item of a response is as it stays, whole or not: see `item.status` (``response.output_item.done``)."""

    response_id: str
    output_index: int = 0
    item: Item


class _OutputPart(ServerMessage, frozen=True, kw_only=True):
    response_id: str
    item_id: str
    output_index: int = 0
    content_index: int = 0


class ContentPartAdded(_OutputPart, frozen=True, kw_only=True, tag=tag_of):
    """An item begins a part (``response.content_part.added``)."""

    part: Content


class ContentPartDone(_OutputPart, frozen=True, kw_only=True, tag=tag_of):
    """A part of an item is as it stays (``response.content_part.done``)."""

    part: Content


class OutputTextDelta(_OutputPart, frozen=True, kw_only=True, gc=False, tag=tag_of):
    """More text (``response.output_text.delta``)."""

    text: str


class OutputTextDone(_OutputPart, frozen=True, kw_only=True, tag=tag_of):
    """All the text of a part (``response.output_text.done``)."""

    text: str


class OutputAudioDelta(_OutputPart, frozen=True, kw_only=True, gc=False, tag=tag_of):
    """More audio (``response.output_audio.delta``).

    Attributes:
        audio: Samples in `format`. A provider may end a delta in the middle of a sample; `AudioConversion` and the
            sinks put them together.
        format: What they are.
    """

    audio: bytes
    format: AudioFormat


class OutputAudioDone(_OutputPart, frozen=True, kw_only=True, tag=tag_of):
    """No more audio for this part (``response.output_audio.done``)."""


class OutputTranscriptDelta(_OutputPart, frozen=True, kw_only=True, gc=False, tag=tag_of):
    """More of the words that the audio says (``response.output_audio_transcript.delta``)."""

    text: str


class OutputTranscriptDone(_OutputPart, frozen=True, kw_only=True, tag=tag_of):
    """All the words of a part (``response.output_audio_transcript.done``)."""

    text: str


class OutputAudioStarted(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The server starts to play a response, where it plays itself (``output_audio_buffer.started``)."""

    response_id: str


class OutputAudioStopped(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The server has played a response to its end (``output_audio_buffer.stopped``)."""

    response_id: str


class OutputAudioCleared(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The server dropped what it had not played (``output_audio_buffer.cleared``)."""

    response_id: str | None = None


class ReasoningDelta(_OutputPart, frozen=True, kw_only=True, gc=False, tag=tag_of):
    """More of the model's thoughts; never part of the answer."""

    text: str
