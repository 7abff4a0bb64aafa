"""The client's side of the wire: which dialect it speaks, and what its ids mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import force_setattr, replace

from duologue import messages as m
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.protocols.openai import AZURE_PREVIEW, OPENAI, Dialect, OpenAIServerProtocol
from duologue.transports.base import Frame

PROVIDER = "gateway"
GA = replace(OPENAI, provider=PROVIDER)
BETA = replace(AZURE_PREVIEW, provider=PROVIDER)

_BETA_SUBPROTOCOL = "openai-beta.realtime-v1"
_BETA_FIELDS = frozenset(
    {
        "modalities",
        "input_audio_format",
        "output_audio_format",
        "input_audio_transcription",
        "max_response_output_tokens",
    }
)
_OURS = "c."
"""What is put before a client's ids on their way to the upstream, whose own ids are not to be taken for them."""


def asked_dialect(headers: Mapping[str, str], subprotocols: Sequence[str]) -> Dialect | None:
    """The dialect that a handshake asks for; None: it leaves that open.

    Args:
        headers: The handshake's headers, by their names in lower case.
        subprotocols: The subprotocols that it offers.
    """
    wanted = headers.get("openai-beta", "")
    return BETA if "realtime=v1" in wanted or _BETA_SUBPROTOCOL in subprotocols else None


class ClientWire:
    """Frames of one client to messages, and messages to frames. Pure.

    Args:
        dialect: What the handshake asked for; None: the first event tells.
        passthrough: Whether events and fields that are not known are let through; else they are refused.
    """

    def __init__(self, dialect: Dialect | None, *, passthrough: bool = False) -> None:
        self.dialect = dialect or GA
        self._is_open = dialect is None  # until the first event
        self._passthrough = passthrough
        self._protocol = OpenAIServerProtocol(self.dialect, strict=not passthrough)

    def read(self, frame: Frame) -> tuple[list[ClientMessage], list[m.RawServerMessage]]:
        """What a client's frame says, and what is to be answered to it at once."""
        if self._is_open:
            self._is_open = False
            if _is_beta(frame):
                self.dialect = BETA
                self._protocol = OpenAIServerProtocol(BETA, strict=not self._passthrough)
        messages = self._protocol.receive(frame)
        for message in messages:
            if message.id is not None:
                force_setattr(message, "id", _OURS + message.id)
        return messages, [m.RawServerMessage(data=msgspec.Raw(_bytes(out))) for out in self._protocol.frames_to_send()]

    def write(self, message: ServerMessage) -> list[Frame]:
        """The frames for a message; none for what this wire has no event for."""
        self._protocol.send(message)
        return self._protocol.frames_to_send()


def as_clients(report: m.ErrorReported) -> m.ErrorReported:
    """An error as the client has to hear of it: it names an event only if that was the client's."""
    cause = report.cause_id
    if cause is None and report.cause is None:
        return report
    own = cause[len(_OURS) :] if cause is not None and cause.startswith(_OURS) else None
    return replace(report, cause_id=own, cause=None)


def _is_beta(frame: Frame) -> bool:
    """Whether the event is a ``session.update`` in the layout that was retired."""
    try:
        event = msgspec.json.decode(frame, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    session = event.get("session")
    return isinstance(session, dict) and "type" not in session and not _BETA_FIELDS.isdisjoint(session)


def _bytes(frame: Frame) -> bytes:
    return frame if isinstance(frame, bytes) else frame.encode()
