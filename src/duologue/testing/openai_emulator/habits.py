"""What servers of one dialect do in their own way, beyond how they write."""

from __future__ import annotations

from typing import Any

from duologue import messages as m
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.protocols.openai import SPEECH_TO_SPEECH, XAI, Dialect


class Habits:
    """The habits of a dialect's servers, as far as a client meets them.

    Args:
        dialect: Whose habits.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._held: list[ServerMessage] = []

    def after_greeting(self) -> list[dict[str, Any]]:
        """Events that follow ``session.created`` unasked."""
        if self._dialect.provider != XAI.provider:
            return []
        conversation = {"id": "conversation", "object": "realtime.conversation"}
        return [
            {"type": "conversation.created", "event_id": "event_conversation", "conversation": conversation},
            {"type": "ping", "event_id": "event_ping", "timestamp": 0},
        ]

    def understand(self, message: ClientMessage) -> ClientMessage:
        """What the message means to this server."""
        if isinstance(message, m.InputAudioEnd) and self._dialect.marks_final_commit:
            return m.InputAudioCommit(id=message.id)
        return message

    def is_only_noted(self, message: ClientMessage) -> bool:
        """Whether the message is taken, and nothing is said to it."""
        if isinstance(message, m.InputImageAppend):
            return True
        return isinstance(message, m.ItemTruncate) and self._dialect.provider == SPEECH_TO_SPEECH.provider

    def arrange(self, message: ServerMessage) -> list[ServerMessage]:
        """What such servers say at this point: nothing, the message, or one that they hold back with it."""
        if isinstance(message, m.SessionUpdated) and not self._dialect.confirms_options:
            return []
        if self._dialect.provider != XAI.provider:
            return [message]
        if isinstance(message, m.OutputAudioDone):
            self._held.append(message)
            return []
        if isinstance(message, m.ContentPartDone):
            held, self._held = self._held, []
            return [message, *held]
        return [message]
