"""What differs between the servers that speak OpenAI's realtime wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from duologue.capabilities import Capabilities
from duologue.formats import AudioFormat


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """How one server says things. Only what is sent differs: what arrives is read with every dialect's names.

    Attributes:
        provider: The provider's name, for errors.
        capabilities: What it can do.
        event_names: ``"ga"`` (``response.output_audio.delta``) or ``"beta"`` (``response.audio.delta``).
        session_layout: ``"nested"`` (``audio.input.…``), ``"flat"`` (``input_audio_format``), or ``"mixed"`` (nested
            audio, with voice and turn detection at the top).
        session_type: Whether ``session.type`` is sent.
        text_with_audio: Whether speech is asked for as ``["text", "audio"]``; else as ``["audio"]``.
        nested_tools: Whether a function's declaration sits in ``function``, as in chat completions.
        assistant_text: The type of an assistant's text part.
        max_output_tokens: The name of that field in the session.
        flat_formats: The names of audio formats in a flat session.
        input_rate: Whether a flat session states the input rate in a field of its own.
        reasoning_effort: Whether the effort is a field of its own; else it is in ``reasoning``.
        transcription_fields: Other names for fields of `Transcription`.
        confirms_options: Whether ``session.updated`` answers ``session.update``.
        model_beside_session: Whether ``session.update`` carries the model beside the session object, and nothing else.
        marks_final_commit: Whether ``input_audio_buffer.commit`` says that the input ends.
        lacks: Parts of options that the server does not know, as ``"transcription.delay"``. Asking for one raises
            `UnsupportedOperation`.
        tool_filters: Whether ``require_approval`` names tools in ``"objects"`` (``{"always": {"tool_names": […]}}``) or
            in ``"lists"`` (``{"always": […]}``).
        warnings: Whether there is an event for what is no error yet.
        scripted_speech: What takes a text to be spoken as it is: a ``"response"``, or an ``"item"``.
        input_items: The name of the field for a response's own input.
        added_items: Which items a client may add; approvals apart.
        image_buffer: Whether pictures go to ``input_image_buffer.append``.
        items_done: Whether ``conversation.item.done`` is sent.
        usage_beside: Whether usage stands beside the response, too.
        late_audio_done: Whether ``response.output_audio.done`` comes after the end of its part.
        confirms_truncation: Whether ``conversation.item.truncated`` answers ``conversation.item.truncate``.
        transcript_snapshots: Whether the user's words so far come whole each time, not as deltas.
        bare_transcripts: Whether transcripts are all that it says, without items.
        first_item_is_null: Whether a null ``previous_item_id`` in ``conversation.item.added`` means the beginning.
        openai_voices: The voices that are written by their name alone; others say that they are Azure's. None: all.
        goodbye: The event that ends a session in an orderly way, if there is one.
    """

    provider: str
    capabilities: Capabilities
    event_names: Literal["ga", "beta"] = "ga"
    session_layout: Literal["nested", "flat", "mixed"] = "nested"
    session_type: bool = True
    text_with_audio: bool = False
    nested_tools: bool = False
    assistant_text: Literal["output_text", "text"] = "output_text"
    max_output_tokens: str = "max_output_tokens"
    flat_formats: Mapping[AudioFormat, str] = {}
    input_rate: bool = False
    reasoning_effort: bool = False
    transcription_fields: Mapping[str, str] = {}
    confirms_options: bool = True
    model_beside_session: bool = False
    marks_final_commit: bool = False
    lacks: frozenset[str] = frozenset()
    tool_filters: Literal["objects", "lists"] = "objects"
    warnings: bool = False
    scripted_speech: Literal["response", "item"] | None = None
    input_items: str = "input"
    added_items: Literal["all", "messages and calls", "function results", "none"] = "all"
    image_buffer: bool = False
    items_done: bool = True
    usage_beside: bool = False
    late_audio_done: bool = False
    confirms_truncation: bool = True
    transcript_snapshots: bool = False
    bare_transcripts: bool = False
    first_item_is_null: bool = False
    openai_voices: frozenset[str] | None = None
    goodbye: str | None = None

    @property
    def modalities_field(self) -> str:
        """The name of the field for output modalities."""
        return "output_modalities" if self.session_layout == "nested" else "modalities"
