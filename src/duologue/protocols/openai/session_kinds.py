"""Transcription sessions: what is left of a conversation when nobody answers."""

from __future__ import annotations

from msgspec.structs import replace

from duologue.capabilities import Capabilities
from duologue.errors import InvalidInput
from duologue.options import Off, SessionOptions, Transcription

TRANSCRIPTION_OPTIONS = frozenset(
    {"kind", "model", "input_audio", "transcription", "noise_reduction", "turn_detection", "include"}
)
"""What the session object of a transcription session takes."""


def transcription_capabilities(can: Capabilities) -> Capabilities:
    """What a transcription session can do, where a conversation can do `can`."""
    return replace(
        can,
        options=can.options & TRANSCRIPTION_OPTIONS,
        mutable_options=can.mutable_options & TRANSCRIPTION_OPTIONS,
        output_formats=frozenset(),
        output_modalities=frozenset(),
        images=False,
        video=False,
        explicit_response=False,
        continues_after_tool_results=False,
        out_of_band=False,
        response_options=frozenset(),
        cancel=False,
        truncate=False,
        tracks_playback=False,
        tool_choices=frozenset(),
        tool_scheduling=False,
        tool_cancellation=False,
        hosted_mcp=False,
        output_transcripts="never",
        metadata=False,
        seeding=False,
        say="none",
    )


def transcription_options(options: SessionOptions) -> SessionOptions:
    """`options` as a transcription session has them: its model is the one that transcribes.

    Raises:
        InvalidInput: Transcripts are switched off, or two models are named.
    """
    asked = options.transcription
    if isinstance(asked, Off):
        raise InvalidInput('A session of kind "transcription" has transcripts: leave transcription=OFF out.')
    if options.model is None:
        return options
    asked = asked or Transcription()
    if asked.model not in (None, options.model):
        raise InvalidInput(
            f"Two models are to transcribe: model={options.model!r} and Transcription(model={asked.model!r}). "
            "In a transcription session both mean the same; give one."
        )
    return replace(options, transcription=replace(asked, model=options.model))
