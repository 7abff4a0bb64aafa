"""Server messages about the session: its life, its turns, its costs, its errors."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from duologue.content import ErrorDetail, Usage
from duologue.messages.base import ServerMessage, tag_of
from duologue.messages.client import AnyClientMessage
from duologue.options import SessionOptions

TurnOutcome = Literal["completed", "interrupted", "incomplete", "failed"]
RestoredHow = Literal["native", "replayed", "fresh"]
RestoredCause = Literal["loss", "rotation", "update", "return"]


class SessionCreated(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The session is open and its options are confirmed; always the first message (``session.created``).

    Attributes:
        options: What was asked for, overlaid with what the provider confirmed.
        expires_at: When the provider ends it, in seconds since 1970.
    """

    session_id: str | None = None
    model: str | None = None
    options: SessionOptions
    expires_at: float | None = None


class SessionUpdated(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The options that hold from now on (``session.updated``)."""

    options: SessionOptions


class SessionExpiring(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The provider will end the session soon.

    Attributes:
        seconds_left: How soon, in s.
    """

    seconds_left: float


class ConnectionLost(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The connection broke, and a layer is making a new one. `SessionRestored` follows, or the end of the session.

    Attributes:
        error: Why it broke.
        response_id: The response that was under way.
    """

    error: ErrorDetail | None = None
    response_id: str | None = None


class SessionRestored(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The conversation goes on over a new connection.

    Attributes:
        session_id: The new session's id.
        how: ``"native"``: the provider took the conversation up itself; ``"replayed"``: its items were sent anew;
            ``"fresh"``: there was nothing to bring, or no way to bring it.
        cause: ``"loss"``: the connection broke; ``"rotation"``: the provider's time was running out; ``"update"``:
            options changed that the wire cannot change in place; ``"return"``: the preferred provider is back.
        provider: Who answers from now on.
        model: Its model.
        asked_again: Whether an answer that was lost is asked for anew.
        lost_responses: Responses of the old connection that come to nothing.
        lost_calls: Function calls that the new session does not know: their results are told as text.
        audio_offset_ms: Where in the user's audio, in ms from the beginning of the conversation, the new session begins
            to hear. Its positions, such as `InputSpeechStarted.audio_start_ms`, count from there.
        dropped_audio_ms: How much of the user's audio was too much to keep, and nobody has heard, in ms.
    """

    session_id: str | None = None
    how: RestoredHow = "fresh"
    cause: RestoredCause = "loss"
    provider: str = ""
    model: str | None = None
    asked_again: bool = False
    lost_responses: tuple[str, ...] = ()
    lost_calls: tuple[str, ...] = ()
    audio_offset_ms: int = 0
    dropped_audio_ms: int = 0


class ResumptionUpdated(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """A handle for `SessionOptions.resume`; a later one replaces it."""

    handle: str
    resumable: bool = True


class Interrupted(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """Stop playing now: the user speaks while a response is active or received audio is unplayed.

    It comes once per interruption. What was not heard is truncated at the provider without the application's help.

    Attributes:
        response_id: The response that is interrupted; None when there are several: stop all of them.
        item_id: The item that was playing.
        content_index: Its part.
        heard_ms: How much of that part was heard, in ms.
    """

    response_id: str | None = None
    item_id: str | None = None
    content_index: int = 0
    heard_ms: int | None = None


class TurnDone(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The last response of a turn is done, follow-ups after tools included.

    Attributes:
        outcome: How the turn ended.
    """

    outcome: TurnOutcome


class UsageReported(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """Usage that comes apart from a response."""

    usage: Usage
    response_id: str | None = None


class RateLimit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One limit of the provider, and what is left of it."""

    name: str | None = None
    limit: int | None = None
    remaining: int | None = None
    reset_seconds: float | None = None


class RateLimitsUpdated(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """What is left of the provider's limits (``rate_limits.updated``)."""

    limits: tuple[RateLimit, ...]


class ErrorReported(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """Something went wrong and the session goes on (``error``).

    Attributes:
        kind: What the library makes of it: ``"response_active"``, ``"undecodable"``, ``"invalid_request"``,
            ``"rate_limited"``, ``"server"``, ``"speech"``, ``"dropped_options"``, ``"warning"`` (nothing has failed
            yet), ``"limit"`` (`UsageLimits`), ``"guardrail"`` (`Guardrails`) or ``"other"``.
        error: What the provider says.
        cause_id: The id of the client message that caused it.
        cause: That message itself, where it is still known.
    """

    kind: str
    error: ErrorDetail
    cause_id: str | None = None
    cause: AnyClientMessage | None = None


class RawServerMessage(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """A frame that this library has no message for, as the provider sent it.

    Attributes:
        event_type: The frame's ``type``, where it has one.
        data: The frame's JSON text (a JSON string in base64, where the frame was binary).
    """

    event_type: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")

    def __repr__(self) -> str:
        return f"RawServerMessage({self.event_type}, {len(bytes(self.data))} bytes)"

    def decoded(self) -> Any:
        """The frame as Python objects."""
        return msgspec.json.decode(self.data)
