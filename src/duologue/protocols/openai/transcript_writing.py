"""The user's words as they come, in each dialect's way, for the server's role."""

from __future__ import annotations

from typing import Any

from duologue import messages as m
from duologue.lifecycle import new_id
from duologue.protocols.json_values import put
from duologue.protocols.openai import server_events as wire
from duologue.protocols.openai.dialect import Dialect
from duologue.protocols.openai.usage import write_logprobs, write_transcription_usage, write_usage

_REMEMBERED = 64  # items whose words have begun


class TranscriptWriter:
    """Writes transcripts of the user's speech. Words so far become deltas, where a dialect knows nothing else.

    Args:
        dialect: How the clients at the other end want to hear things.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._snapshots = dialect.transcript_snapshots
        self._bare = dialect.bare_transcripts
        self._told: dict[str, str] = {}  # what deltas have said of items that are not complete

    def delta(self, message: m.InputTranscriptDelta) -> wire.ServerEvent | None:
        """None where a delta cannot say it, as words that were told are taken back: the complete text will."""
        text = message.text
        if message.replaces:
            if self._snapshots:
                return wire.TranscriptionUpdated(**_place(message), transcript=text)
            told = self._told.get(message.item_id, "")
            if not text.startswith(told) or text == told:
                return None
            self._told[message.item_id] = text
            while len(self._told) > _REMEMBERED:
                del self._told[next(iter(self._told))]
            text = text[len(told) :]
        if self._bare:
            return wire.BareTranscriptionDelta(event_id=_id(message), delta=text)
        return wire.TranscriptionDelta(**_place(message), delta=text, logprobs=write_logprobs(message.logprobs))

    def completed(self, message: m.InputTranscriptCompleted) -> wire.ServerEvent:
        """The words are known."""
        self._told.pop(message.item_id, None)
        usage = message.usage
        by_time = usage is not None and usage.seconds is not None
        written = write_usage(usage) if by_time else write_transcription_usage(usage)
        if self._bare:
            return wire.BareTranscriptionDone(event_id=_id(message), text=message.text, usage=written)
        languages = None
        if message.languages is not None:
            languages = [{"code": entry.code} for entry in message.languages]
            for told, entry in zip(languages, message.languages, strict=True):
                put(told, "confidence", entry.confidence)
        return wire.TranscriptionCompleted(
            **_place(message),
            transcript=message.text,
            usage=written,
            languages=languages,
            logprobs=write_logprobs(message.logprobs),
        )

    def failed(self, item_id: str) -> None:
        """They will not be known."""
        self._told.pop(item_id, None)


def _id(message: Any) -> str:
    return message.id or new_id("event")


def _place(message: m.InputTranscriptDelta | m.InputTranscriptCompleted) -> dict[str, Any]:
    return {"event_id": _id(message), "item_id": message.item_id, "content_index": message.content_index}
