"""Messages from the application towards the model."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from duologue.content import ImageContent
from duologue.formats import AudioFormat
from duologue.items import Item
from duologue.messages.base import ClientMessage, tag_of
from duologue.options import Modality, PromptTemplate, SessionOptions, ToolChoice, check_response_options, make_tuples
from duologue.tools import Tool


class SessionUpdate(ClientMessage, frozen=True, kw_only=True, tag=tag_of):
    """Changes options of the running session; what is None stays (``session.update``)."""

    options: SessionOptions


class InputAudioAppend(ClientMessage, frozen=True, kw_only=True, tag=tag_of):
    """The user's next audio (``input_audio_buffer.append``).

    Attributes:
        audio: Whole samples in `format`.
        format: None: the session's input format.
    """

    audio: bytes
    format: AudioFormat | None = None


class InputAudioCommit(ClientMessage, frozen=True, kw_only=True, tag=tag_of):
    """What is in the input buffer is a user's turn; no response yet (``input_audio_buffer.commit``)."""


class InputAudioClear(ClientMessage, frozen=True, kw_only=True, tag=tag_of):
    """Throws away what is in the input buffer (``input_audio_buffer.clear``)."""


class InputAudioEnd(ClientMessage, frozen=True, kw_only=True, tag=tag_of):
    """The input paused or is finished: ends an open segment of speech, on every wire."""


class InputImageAppend(ClientMessage, frozen=True, kw_only=True, tag=tag_of):
    """A frame of video, or a picture that belongs to the running turn."""

    image: ImageContent


class UserTurnStart(ClientMessage, frozen=True, kw_only=True, tag=tag_of):
    """The application says that the user starts to speak (manual turns)."""


class UserTurnEnd(ClientMessage, frozen=True, kw_only=True, tag=tag_of):
    """The application says that the user has finished (manual turns).

    Attributes:
        respond: Whether the model shall answer.
    """

    respond: bool = True


class ItemCreate(ClientMessage, frozen=True, kw_only=True, tag=tag_of):
    """Adds an item to the conversation (``conversation.item.create``).

    Attributes:
        item: The item.
        previous_item_id: The item before it; ``"root"`` for the beginning, None for the end.
    """

    item: Item
    previous_item_id: str | None = None


class ItemDelete(ClientMessage, frozen=True, kw_only=True, tag=tag_of):
    """Takes an item out of the conversation (``conversation.item.delete``)."""

    item_id: str


class ItemRetrieve(ClientMessage, frozen=True, kw_only=True, tag=tag_of):
    """Asks for an item as the provider holds it (``conversation.item.retrieve``)."""

    item_id: str


class ItemTruncate(ClientMessage, frozen=True, kw_only=True, tag=tag_of):
    """Forgets what the user did not hear (``conversation.item.truncate``). The runtime sends it: see `Interrupted`.

    Attributes:
        audio_end_ms: What was heard, in ms from the start of the item's audio.
    """

    item_id: str
    content_index: int = 0
    audio_end_ms: int


class ResponseCreate(ClientMessage, frozen=True, kw_only=True, tag=tag_of):
    """Asks the model to answer (``response.create``). What is None comes from the session.

    Attributes:
        when: ``"idle"`` waits for the active response to end; ``"now"`` goes out at once and may be refused.
        follow_up: It goes on after function results: waits for open user speech also, and is satisfied by a response
            that the server starts by itself.
        out_of_band: The response is no part of the conversation, and may run beside another.
        items: The response's input instead of the conversation; ``()`` for none.
        instructions: In place of the session's.
        output_audio: The format of its audio.
        voice: Its voice.
        output_modalities: ``("audio",)`` or ``("text",)``.
        tools: What it may call.
        tool_choice: Whether it must.
        parallel_tool_calls: Whether it may hold several calls.
        max_output_tokens: Its bound, or ``"unlimited"``.
        reasoning_effort: ``"minimal"`` to ``"xhigh"``.
        prompt: A stored prompt.
        metadata: Comes back in `ResponseCreated` and `ResponseDone`.
        extra: Fields that go onto the provider's response object as they are.
    """

    when: Literal["idle", "now"] = "idle"
    follow_up: bool = False
    out_of_band: bool = False
    items: tuple[Item, ...] | None = None
    instructions: str | None = None
    output_audio: AudioFormat | None = None
    voice: str | None = None
    output_modalities: tuple[Modality, ...] | None = None
    tools: tuple[Tool, ...] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | Literal["unlimited"] | None = None
    reasoning_effort: str | None = None
    prompt: PromptTemplate | None = None
    metadata: dict[str, str] | None = None
    extra: dict[str, Any] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        make_tuples(self, "items", "output_modalities", "tools")
        check_response_options(self.tools, self.output_modalities, self.max_output_tokens)

    def overrides(self) -> tuple[str, ...]:
        """The names of what it states in place of the session's options."""
        return tuple(name for name in _OVERRIDES if getattr(self, name) is not None) + (
            ("extra",) if self.extra else ()
        )


_OVERRIDES = (
    "items",
    "instructions",
    "output_audio",
    "voice",
    "output_modalities",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "max_output_tokens",
    "reasoning_effort",
    "prompt",
    "metadata",
)


class ResponseCancel(ClientMessage, frozen=True, kw_only=True, tag=tag_of):
    """Stops a response (``response.cancel``); harmless when none is active.

    Attributes:
        response_id: None: the active one.
    """

    response_id: str | None = None


class Say(ClientMessage, frozen=True, kw_only=True, tag=tag_of):
    """Has the model say exactly this. `Capabilities.say` tells how exactly a provider can."""

    text: str
    when: Literal["idle", "now"] = "idle"


class OutputAudioPlayed(ClientMessage, frozen=True, kw_only=True, tag=tag_of):
    """What of the output was heard, as the speaker knows it. Stays on this side of the wire.

    Attributes:
        played_ms: How much of that part was rendered, in ms.
        finished: Whether all that was received of it so far has been rendered.
    """

    item_id: str
    content_index: int = 0
    played_ms: float
    finished: bool = False


class OutputAudioClear(ClientMessage, frozen=True, kw_only=True, tag=tag_of):
    """Drops the output that was not heard yet: `Interrupted` follows (``output_audio_buffer.clear`` where the
    server plays the audio)."""


class FunctionCallApproval(ClientMessage, frozen=True, kw_only=True, tag=tag_of):
    """The answer to an `ApprovalRequested`.

    Attributes:
        approval_id: `ApprovalRequested.approval_id`.
        approve: Whether the call may run.
        reason: Told to the model.
    """

    approval_id: str
    approve: bool
    reason: str | None = None


class RawClientMessage(ClientMessage, frozen=True, kw_only=True, tag=tag_of):
    """Any frame, as it is.

    Attributes:
        data: A JSON object, or text that goes out unchanged.
        binary: A binary frame, instead of `data`.
    """

    data: dict[str, Any] | str | None = None
    binary: bytes | None = None

    def __repr__(self) -> str:
        kind = self.data.get("type", "?") if isinstance(self.data, dict) else "text" if self.data else "binary"
        return f"RawClientMessage({kind})"


AnyClientMessage = (
    SessionUpdate
    | InputAudioAppend
    | InputAudioCommit
    | InputAudioClear
    | InputAudioEnd
    | InputImageAppend
    | UserTurnStart
    | UserTurnEnd
    | ItemCreate
    | ItemDelete
    | ItemRetrieve
    | ItemTruncate
    | ResponseCreate
    | ResponseCancel
    | Say
    | OutputAudioPlayed
    | OutputAudioClear
    | FunctionCallApproval
    | RawClientMessage
)
