"""The responses that were asked for or run, and which of them were cancelled."""

from __future__ import annotations

from typing import Any

from duologue import messages as m
from duologue.content import ErrorDetail
from duologue.formats import AudioFormat
from duologue.protocols.json_values import JsonObject, as_object, as_text

REQUEST_TAG = "duologue_request"
"""The key in a response's metadata that holds the id of what asked for it."""

_DUE = "#due"  # in the place of a request's id: what the server is about to answer by itself
_MOST_PAIRS = 16  # of metadata
_REMEMBERED = 64


class _Request:
    __slots__ = ("cancelled", "is_doubtful", "is_tagged", "out_of_band")

    def __init__(self, *, out_of_band: bool, is_tagged: bool) -> None:
        self.out_of_band = out_of_band
        self.is_tagged = is_tagged
        self.is_doubtful = False  # an error came that may have been its refusal
        self.cancelled = False


class RunningResponses:
    """Follows responses from their request to their end. Pure.

    Attributes:
        gated: Responses that were cancelled and have not ended: their deltas are of no use any more.
        formats: Of the responses that run, the audio formats that are their own.

    Args:
        tags: Whether the wire carries metadata: then requests are tagged, and a response is known to be the answer
            to one of them. Of requests without a tag, the oldest is taken to be answered first.
    """

    def __init__(self, *, tags: bool) -> None:
        self.gated: set[str] = set()
        self.formats: dict[str, AudioFormat] = {}
        self._tags = tags
        self._requests: dict[str, _Request] = {}
        self._running: dict[str, m.ResponseCreated] = {}
        self._cancels: dict[str, list[str]] = {}  # cancellation → what it gated
        self._commits: set[str | None] = set()  # of the application, which the server does not answer by itself
        self._ended: dict[str, None] = {}  # the latest responses that have
        self._count = 0

    def tag(self, event: JsonObject) -> None:
        """Tag a ``response.create``, unless its metadata is full."""
        event_id = as_text(event.get("event_id"))
        if not self._tags or event_id is None:
            return
        response = as_object(event.get("response"))
        metadata = {**as_object(response.get("metadata")), REQUEST_TAG: event_id}
        if len(metadata) <= _MOST_PAIRS:
            event["response"] = {**response, "metadata": metadata}

    def requested(self, event: JsonObject) -> None:
        """A ``response.create`` was sent."""
        self._count += 1
        response = as_object(event.get("response"))
        request = _Request(
            out_of_band=response.get("conversation") == "none",
            is_tagged=REQUEST_TAG in as_object(response.get("metadata")),
        )
        self._requests[as_text(event.get("event_id")) or f"#{self._count}"] = request
        while len(self._requests) > _REMEMBERED:
            del self._requests[next(iter(self._requests))]

    def refused(self, event_id: str | None) -> None:
        """What was sent with that id was refused; None: something was."""
        if event_id is None:
            if (oldest := self._oldest_untagged()) is not None:
                self._requests[oldest].is_doubtful = True
            return
        self._requests.pop(event_id, None)
        self._commits.discard(event_id)
        self.gated.difference_update(self._cancels.pop(event_id, ()))

    def commit_sent(self, event_id: str | None) -> None:
        """An ``input_audio_buffer.commit`` was sent."""
        self._commits.add(event_id)
        while len(self._commits) > _REMEMBERED:  # of a server that does not tell what it has committed
            self._commits.pop()

    def user_began(self) -> None:
        """The user speaks: what was said before is not answered any more, nor what may have been refused."""
        self._requests.pop(_DUE, None)
        for event_id in [event_id for event_id, request in self._requests.items() if request.is_doubtful]:
            del self._requests[event_id]

    def user_ended(self, *, is_answered: bool) -> None:
        """The user's words are committed; the server may answer them by itself."""
        if self._commits:
            self._commits.pop()
        elif is_answered:
            self._requests.pop(_DUE, None)
            self._requests[_DUE] = _Request(out_of_band=False, is_tagged=False)

    def created(self, fields: dict[str, Any]) -> tuple[m.ResponseCreated, bool]:
        """A response has begun: the message for it, and whether it is to be cancelled at once.

        Args:
            fields: The fields of `ResponseCreated`, as the wire tells them.
        """
        request = self._answered(fields)
        message = m.ResponseCreated(**fields)
        self._running[message.response_id] = message
        self._ended.pop(message.response_id, None)  # some servers number them anew
        if message.output_audio is not None:
            self.formats[message.response_id] = message.output_audio
        while len(self._running) > _REMEMBERED:
            self._forget(next(iter(self._running)))
        cancelled = request is not None and request.cancelled
        if request is not None and request.is_tagged and not request.out_of_band:
            self._requests.pop(_DUE, None)  # the server cannot begin its own any more
        if cancelled:
            self.gated.add(message.response_id)
        return message, cancelled

    def done(self, fields: dict[str, Any]) -> m.ResponseDone | None:
        """A response has ended: the message for it; None if that was told before."""
        response_id = fields["response_id"]
        if response_id and response_id in self._ended:
            return None
        self._ended[response_id] = None
        while len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]
        self._untag(fields)
        begun = self._running.get(response_id)
        if begun is not None:
            fields["out_of_band"] = begun.out_of_band
        self._forget(response_id)
        return m.ResponseDone(**fields)

    def cancel(self, message: m.ResponseCancel) -> None:
        """A cancellation was sent; without an id it means the active response, or else the one that is to come."""
        running = self._running.values()
        if message.response_id is not None:
            meant = [begun.response_id for begun in running if begun.response_id == message.response_id]
        else:
            meant = [begun.response_id for begun in running if not begun.out_of_band]
        self.gated.update(meant)
        if meant and message.id is not None:
            self._cancels[message.id] = meant
            while len(self._cancels) > _REMEMBERED:
                del self._cancels[next(iter(self._cancels))]
        elif message.response_id is None and not meant:
            for request in self._requests.values():
                request.cancelled = request.cancelled or not request.out_of_band

    def is_out_of_band(self, response_id: str) -> bool:
        """Whether a response that runs is no part of the conversation."""
        running = self._running.get(response_id)
        return running is not None and running.out_of_band

    def lost(self) -> list[m.ResponseDone]:
        """The connection is lost: the ends of what runs."""
        error = ErrorDetail(message="The connection ended before the response did.", type="connection_lost")
        ends = []
        for begun in self._running.values():
            fields = {name: getattr(begun, name) for name in begun.__struct_fields__}
            fields.update(id=None, turn_id=None, status="failed", error=error)
            ends.append(m.ResponseDone(**fields))
        self._running.clear()
        self.formats.clear()
        self._requests.clear()
        self.gated.clear()
        return ends

    def _answered(self, fields: dict[str, Any]) -> _Request | None:
        tag = self._untag(fields)
        if tag is not None:
            request = self._requests.pop(tag, None)
            if request is not None:
                fields["out_of_band"] = request.out_of_band
            return request
        return self._requests.pop(self._oldest_untagged() or "", None)

    def _oldest_untagged(self) -> str | None:
        return next((event_id for event_id, request in self._requests.items() if not request.is_tagged), None)

    @staticmethod
    def _untag(fields: dict[str, Any]) -> str | None:
        metadata = fields.get("metadata")
        if not metadata or REQUEST_TAG not in metadata:
            return None
        rest = {name: value for name, value in metadata.items() if name != REQUEST_TAG}
        fields["metadata"] = rest or None
        tag: str = metadata[REQUEST_TAG]
        return tag

    def _forget(self, response_id: str) -> None:
        self._running.pop(response_id, None)
        self.formats.pop(response_id, None)
        self.gated.discard(response_id)
