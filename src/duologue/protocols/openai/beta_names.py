"""The names of the beta, which many servers still speak, as events of their own."""

from __future__ import annotations

from typing import Any

import msgspec

from duologue.protocols.openai import server_events as wire
from duologue.protocols.openai.server_events import SERVER_EVENTS, ServerEvent

_BETA: dict[type[ServerEvent], str] = {
    wire.TextDelta: "response.text.delta",
    wire.TextDone: "response.text.done",
    wire.AudioDelta: "response.audio.delta",
    wire.AudioDone: "response.audio.done",
    wire.TranscriptDelta: "response.audio_transcript.delta",
    wire.TranscriptDone: "response.audio_transcript.done",
}
_OTHER: dict[type[ServerEvent], str] = {
    wire.SessionCreated: "transcription_session.created",
    wire.SessionUpdated: "transcription_session.updated",
}


def _alias(event: type[ServerEvent], tag: str) -> type[Any]:
    hot = not event.__struct_config__.gc
    return msgspec.defstruct(f"Beta{event.__name__}", [], bases=(event,), tag=tag, frozen=True, gc=not hot)


BETA_EVENTS: dict[type[ServerEvent], type[Any]] = {event: _alias(event, tag) for event, tag in _BETA.items()}
"""The beta's event for each event of GA that has another name there."""

_ALIASES = {**{beta: event for event, beta in BETA_EVENTS.items()}}
_ALIASES.update({_alias(event, tag): event for event, tag in _OTHER.items()})

ALIASES: dict[type[Any], type[ServerEvent]] = _ALIASES
"""What each alias stands for."""

ALL_SERVER_EVENTS: tuple[type[Any], ...] = (*SERVER_EVENTS, *ALIASES)
"""Every event that a server of this family sends and that has a meaning here."""
