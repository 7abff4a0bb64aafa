"""Gives a response the metadata of its request, where the upstream keeps none. Pure."""

from __future__ import annotations

from collections import deque

from msgspec.structs import replace

from duologue import messages as m

_MOST = 64


class MetadataEcho:
    """Which metadata belongs to which response: a response answers the oldest request that is open."""

    def __init__(self) -> None:
        self._asked: deque[tuple[str | None, dict[str, str]]] = deque(maxlen=_MOST)
        self._of: dict[str, dict[str, str]] = {}

    def taken_from(self, request: m.ResponseCreate) -> m.ResponseCreate:
        """The request as it goes on, without metadata."""
        self._asked.append((request.id, request.metadata or {}))
        return replace(request, metadata=None)

    def created(self, message: m.ResponseCreated) -> m.ResponseCreated:
        """The response begins."""
        metadata = self._asked.popleft()[1] if self._asked else None
        if not metadata:
            return message
        self._of[message.response_id] = metadata
        return replace(message, metadata=metadata)

    def done(self, message: m.ResponseDone) -> m.ResponseDone:
        """The response is over."""
        metadata = self._of.pop(message.response_id, None)
        return message if metadata is None else replace(message, metadata=metadata)

    def refused(self, request_id: str | None) -> None:
        """A request was refused: no response comes of it."""
        kept = [entry for entry in self._asked if entry[0] is None or entry[0] != request_id]
        self._asked = deque(kept, maxlen=_MOST)
