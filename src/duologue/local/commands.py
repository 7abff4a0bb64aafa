"""What the engine asks of the stages: data, carried out by the link."""

from __future__ import annotations

import msgspec

from duologue.speech.responder import ResponderRequest
from duologue.tools import Tool


class BeginUtterance(msgspec.Struct, frozen=True):
    """Start to transcribe the audio of an item."""

    item_id: str
    hints: tuple[str, ...]
    language: str | None


class FeedUtterance(msgspec.Struct, frozen=True):
    """More audio of the item: s16le mono at 16 kHz."""

    item_id: str
    audio: bytes


class FinishUtterance(msgspec.Struct, frozen=True):
    """The item's audio is whole: `LocalEngine.transcript_done` is waited for."""

    item_id: str


class CancelUtterance(msgspec.Struct, frozen=True):
    """The item's transcript is not wanted any more."""

    item_id: str


class PrepareHints(msgspec.Struct, frozen=True):
    """These tools are offered from now on: work out what users will say, which takes its time, before they say it."""

    tools: tuple[Tool, ...]


class Answer(msgspec.Struct, frozen=True):
    """Have the responder answer."""

    response_id: str
    request: ResponderRequest


class Speak(msgspec.Struct, frozen=True):
    """Synthesise the next piece of a response."""

    response_id: str
    text: str
    voice: str | None
    speed: float | None


class StopResponse(msgspec.Struct, frozen=True):
    """The response is over: stop its responder and its synthesis."""

    response_id: str


Command = (
    BeginUtterance | FeedUtterance | FinishUtterance | CancelUtterance | PrepareHints | Answer | Speak | StopResponse
)
