"""What every message has."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any

import msgspec
from msgspec.structs import force_setattr


class Meta(msgspec.Struct, frozen=True, gc=False):
    """Where a received message comes from. Outside equality and JSON.

    Attributes:
        arrived_ns: When its frame arrived, in ns of the monotonic clock.
        sequence: The number of its frame in the session, from 0.
        frame: The frame as the provider sent it; None where there is no wire.
    """

    arrived_ns: int
    sequence: int
    frame: bytes | str | None = None


class FrameOutline(ABC):
    """What many frames have around the values that their messages hold: enough to write each of them again.

    A frame of audio is longer than the audio. Held beside it, it would more than double what a message takes.
    """

    @abstractmethod
    def filled(self, message: Any) -> bytes | str:
        """The frame of `message`, to the letter."""


Arrival = tuple[float, int, bytes | str | FrameOutline]
"""What a message of a wire holds until somebody asks for its `Meta`: seconds, sequence, and what tells its frame."""


class _MetaSlot:
    """A place for `Meta` that is no field: neither equality nor JSON sees it."""

    __slots__ = ("_meta",)
    _meta: Meta | Arrival


def tag_of(class_name: str) -> str:
    """The `type` of a message in JSON: its class name in snake case."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", class_name.rpartition(".")[2]).lower()


class Message(_MetaSlot, msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """Something that was sent or received. Immutable; JSON-serialisable as it is, audio as base64.

    Attributes:
        id: The message's own id (``event_id`` on OpenAI's wire).
    """

    id: str | None = None

    @property
    def type(self) -> str:
        """Its name in JSON, e.g. ``"output_audio_delta"``."""
        tag = self.__struct_config__.tag
        assert isinstance(tag, str)
        return tag

    def __repr__(self) -> str:
        shown = []
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value is None or value == () or value == {}:
                continue
            shown.append(f"{name}={'<' + str(len(value)) + ' bytes>' if isinstance(value, bytes) else repr(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"


class ClientMessage(Message, frozen=True, kw_only=True, omit_defaults=True):
    """A message from the application towards the model."""


class ServerMessage(Message, frozen=True, kw_only=True, omit_defaults=True):
    """A message from the model towards the application.

    Attributes:
        turn_id: The turn that the message belongs to; `TurnDone` ends it.
    """

    turn_id: str | None = None

    @property
    def meta(self) -> Meta | None:
        """Where the message comes from; None where no provider made it."""
        meta: Meta | Arrival | None = getattr(self, "_meta", None)
        if isinstance(meta, tuple):
            arrived, sequence, kept = meta
            frame = kept.filled(self) if isinstance(kept, FrameOutline) else kept
            meta = Meta(int(arrived * 1e9), sequence, frame)
            force_setattr(self, "_meta", meta)
        return meta

    @property
    def raw_representation(self) -> Any:
        """The frame that caused the message, decoded when read: a dict for JSON, else bytes; None without a wire."""
        meta = self.meta
        if meta is None or meta.frame is None:
            return None
        try:
            return msgspec.json.decode(meta.frame)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return meta.frame


def set_meta(message: ServerMessage, meta: Meta) -> None:
    """Note where `message` comes from. Only whoever made the message may do that, before anybody sees it."""
    force_setattr(message, "_meta", meta)


def set_turn(message: ServerMessage, turn_id: str) -> None:
    """Note the turn of `message`. Only the runtime does that, before anybody sees it."""
    force_setattr(message, "turn_id", turn_id)
