"""From a frame to a typed event: strict and fast first, field by field where a server bends the rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from duologue.transports.base import Frame

Event = TypeVar("Event", bound=msgspec.Struct)

UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


class UnknownEvent(msgspec.Struct, frozen=True):
    """A JSON object with a type that nothing is known of."""

    event_type: str | None
    event_id: str | None


class UnreadableFrame(Exception):
    """The frame is no JSON object."""


class _Envelope(msgspec.Struct, frozen=True):
    type: Any = None
    event_id: Any = None


_envelope = msgspec.json.Decoder(_Envelope)


class EventDecoder(Generic[Event]):
    """Decodes frames into one of `events`, by their ``type``, wherever in the frame that stands.

    Every field of an event has a default, so that a field that is missing or of another type loses nothing else.

    Args:
        events: The events' structs, tagged.
    """

    def __init__(self, events: Iterable[type[Event]]) -> None:
        self._by_type: Mapping[str, type[Event]] = {str(event.__struct_config__.tag): event for event in events}
        union: Any = None
        for event in self._by_type.values():
            union = event if union is None else union | event
        self.decode_strictly: Callable[[Frame], Event] = msgspec.json.Decoder(union).decode

    def decode(self, frame: Frame) -> Event | UnknownEvent:
        """The event in `frame`.

        Raises:
            UnreadableFrame: It holds no JSON object.
        """
        try:
            return self.decode_strictly(frame)
        except UNREADABLE:
            return self.decode_leniently(frame)

    def decode_leniently(self, frame: Frame) -> Event | UnknownEvent:
        try:
            if isinstance(frame, bytes):
                frame.decode()  # the parser skips what it is not asked for, whatever its bytes are
            envelope = _envelope.decode(frame)
            name = envelope.type if isinstance(envelope.type, str) else None
            event = self._by_type.get(name) if name is not None else None
            if event is None:
                return UnknownEvent(name, envelope.event_id if isinstance(envelope.event_id, str) else None)
            return _convert_fields(event, decode_object(frame))
        except UNREADABLE as error:
            raise UnreadableFrame(str(error)) from None


def decode_object(frame: Frame) -> dict[str, Any]:
    """The whole JSON object in `frame`.

    Raises:
        UnreadableFrame: It holds none.
    """
    try:
        return msgspec.json.decode(frame, type=dict[str, Any])
    except UNREADABLE as error:
        raise UnreadableFrame(str(error)) from None


def _convert_fields(event: type[Event], data: dict[str, Any]) -> Event:
    fields = {}
    for field in msgspec.structs.fields(event):
        if field.encode_name not in data:
            continue
        try:
            fields[field.name] = msgspec.convert(data[field.encode_name], field.type, strict=False)
        except msgspec.ValidationError:
            continue
    return event(**fields)
