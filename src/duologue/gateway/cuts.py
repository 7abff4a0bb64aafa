"""Takes a client's word for how much of an answer was heard, where the upstream keeps track of that itself. Pure."""

from __future__ import annotations

from duologue import messages as m
from duologue.gateway.terms import NotAllowed
from duologue.messages.base import ServerMessage

_REMEMBERED = 64
_ROUNDING_MS = 1.0


class Cuts:
    """Answers ``conversation.item.truncate`` for an upstream that has no such thing.

    Such an upstream keeps of an answer what it had sent before it was interrupted. A client that cuts the answer which
    was interrupted, or the one that it plays, is told that this is done; older ones stand as they are.
    """

    def __init__(self) -> None:
        self._spoken: dict[str, tuple[str, float]] = {}  # item → its response, and its audio in ms
        self._newest: str | None = None  # response
        self._interrupted: set[str] = set()  # responses

    def received(self, message: ServerMessage) -> None:
        """Note what the upstream says."""
        match message:
            case m.OutputAudioDelta(item_id=item_id, response_id=response_id):
                _, before = self._spoken.pop(item_id, ("", 0.0))
                self._spoken[item_id] = response_id, before + message.format.duration_ms(len(message.audio))
                while len(self._spoken) > _REMEMBERED:
                    del self._spoken[next(iter(self._spoken))]
            case m.ResponseCreated(response_id=response_id):
                self._newest = response_id
                self._interrupted &= {spoken for spoken, _ in self._spoken.values()}
            case m.Interrupted(response_id=None):
                self._interrupted |= {spoken for spoken, _ in self._spoken.values()}
            case m.Interrupted(response_id=str(response_id)):
                self._interrupted.add(response_id)
            case m.ResponseDone(response_id=response_id, status="cancelled"):
                self._interrupted.add(response_id)
            case _:
                pass

    def answer(self, cut: m.ItemTruncate) -> m.ItemTruncated | None:
        """What the client is told; None: it asks for what the upstream cannot do.

        Raises:
            NotAllowed: There is not so much of it.
        """
        response_id, audio_ms = self._spoken.get(cut.item_id, (None, 0.0))
        if response_id is None or response_id not in {self._newest, *self._interrupted}:
            return None
        if cut.audio_end_ms > audio_ms + _ROUNDING_MS:
            text = f"Audio content of {audio_ms:.0f}ms is already shorter than {cut.audio_end_ms}ms."
            raise NotAllowed(text, "invalid_value", "audio_end_ms")
        return m.ItemTruncated(item_id=cut.item_id, content_index=cut.content_index, audio_end_ms=cut.audio_end_ms)
