"""What some servers leave unsaid, or say too late, in its place: for the client's role."""

from __future__ import annotations

from typing import Any

from duologue import messages as m
from duologue.content import AudioContent, ErrorDetail
from duologue.items import MessageItem
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.protocols.openai import server_events as wire
from duologue.protocols.openai.dialect import Dialect
from duologue.protocols.openai.memory import Remembered
from duologue.protocols.openai.reading import READERS
from duologue.protocols.openai.usage import read_usage

_ITEMS = 64  # whose audio is remembered


class Acknowledgements:
    """Stands in for answers that a server does not give to what it has been sent.

    Args:
        dialect: How the server says things.

    Attributes:
        transcripts: The items of transcripts that have none.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.transcripts = BareTranscripts()
        self._truncates = not dialect.confirms_truncation
        self._commits = dialect.bare_transcripts
        self._audio_ms: dict[str, float] = {}
        self._waiting: list[ServerMessage] = []

    @property
    def are_waiting(self) -> bool:
        """Whether `take` has something."""
        return bool(self._waiting)

    def sent(self, message: ClientMessage) -> None:
        """The message goes out."""
        if isinstance(message, m.ItemTruncate) and self._truncates:
            self._waiting.append(self._truncated(message))
        elif isinstance(message, m.InputAudioCommit | m.InputAudioEnd | m.UserTurnEnd) and self._commits:
            self._waiting += self.transcripts.committed()

    def heard(self, messages: list[ServerMessage]) -> list[ServerMessage]:
        """Audio has come, of which a truncation may be about. Gives it back."""
        for message in messages:
            if isinstance(message, m.OutputAudioDelta):
                known = self._audio_ms.pop(message.item_id, 0.0)
                self._audio_ms[message.item_id] = known + message.format.duration_ms(len(message.audio))
                while len(self._audio_ms) > _ITEMS:
                    del self._audio_ms[next(iter(self._audio_ms))]
        return messages

    def take(self) -> list[ServerMessage]:
        """What was not said yet; it is then forgotten here."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def _truncated(self, cut: m.ItemTruncate) -> ServerMessage:
        known = self._audio_ms.get(cut.item_id)
        if known is not None and cut.audio_end_ms <= known + 1:
            return m.ItemTruncated(item_id=cut.item_id, content_index=cut.content_index, audio_end_ms=cut.audio_end_ms)
        said = "no audio" if known is None else f"{known:.0f} ms of audio"
        error = ErrorDetail(message=f"Item {cut.item_id} has {said}; it cannot be cut at {cut.audio_end_ms} ms.")
        return m.ErrorReported(kind="invalid_request", error=error, cause_id=cut.id, cause=cut)


class BareTranscripts:
    """Gives items to transcripts on a wire that has none: one for each commit, in order."""

    def __init__(self) -> None:
        self._committed = 0
        self._done = 0
        self._is_early = False  # the last item came with its words, before a commit

    def committed(self) -> list[ServerMessage]:
        """What the client has appended is a turn of the user."""
        if self._is_early:
            self._is_early = False
            return []
        self._committed += 1
        item = MessageItem(id=f"item_{self._committed}", status="completed", role="user", content=(m.AudioContent(),))
        previous = f"item_{self._committed - 1}" if self._committed > 1 else "root"
        return [
            m.InputAudioCommitted(item_id=f"item_{self._committed}", previous_item_id=previous),
            m.ItemAdded(item=item, previous_item_id=previous),
            m.ItemDone(item=item, previous_item_id=previous),
        ]

    def delta(self, event: wire.BareTranscriptionDelta) -> list[ServerMessage]:
        """More words."""
        begun = self._begun()
        return [*begun, m.InputTranscriptDelta(id=event.event_id, item_id=self._item_id, text=event.delta)]

    def done(self, event: wire.BareTranscriptionDone) -> list[ServerMessage]:
        """All the words."""
        begun, item_id = self._begun(), self._item_id
        self._done += 1
        usage = read_usage(event.usage)
        return [*begun, m.InputTranscriptCompleted(id=event.event_id, item_id=item_id, text=event.text, usage=usage)]

    @property
    def _item_id(self) -> str:
        return f"item_{self._done + 1}"

    def _begun(self) -> list[ServerMessage]:
        """The item that the words belong to, where they come before the commit."""
        if self._committed > self._done:
            return []
        begun = self.committed()
        self._is_early = True
        return begun


class LateAudioDone:
    """Ends the audio of a part before the part, as documented, where a server does so afterwards."""

    def __init__(self) -> None:
        self._ended = Remembered()

    def part_done(self, event: wire.ContentPartDone) -> list[ServerMessage]:
        """The part is whole, and so is its audio."""
        messages = READERS[wire.ContentPartDone](event)
        part = messages[0]
        assert isinstance(part, m.ContentPartDone)
        if not isinstance(part.part, AudioContent) or not self._ended.is_new(_key(event)):
            return messages
        ended = m.OutputAudioDone(
            id=part.id,
            response_id=part.response_id,
            item_id=part.item_id,
            output_index=part.output_index,
            content_index=part.content_index,
        )
        return [ended, *messages]

    def audio_done(self, event: Any) -> list[ServerMessage]:
        """The audio is whole, which may have been told."""
        return READERS[type(event)](event) if self._ended.is_new(_key(event)) else []


def _key(event: Any) -> str:
    return f"{event.response_id} {event.item_id} {event.content_index}"
