"""What a recording expects of the application, and when it may go on: the pure half of `ReplayClient`."""

from __future__ import annotations

from collections import deque
from typing import Any, Literal

import msgspec

from duologue import messages as m
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.middleware.recording import RecordedMessage, RecordedSession
from duologue.middleware.redaction import base64_bytes, for_log, plain, without_secrets
from duologue.options import SessionOptions

Check = Literal["strict", "types"] | None

_LONGEST = 1_000  # characters of a message that an error shows


class ReplayMismatch(AssertionError):
    """The application does something else than the recording holds.

    Attributes:
        expected: What the recording holds, in words.
        got: What the application did.
    """

    def __init__(self, what: str, *, expected: str, got: str) -> None:
        super().__init__(f"{what}\n  expected: {expected}\n  got:      {got}")
        self.expected = expected
        self.got = got


class _Expected:
    """A message that the application sent when it was recorded."""

    def __init__(self, position: int, entry: RecordedMessage, audio_bytes: int) -> None:
        assert isinstance(entry.message, ClientMessage)
        self.position = position
        self.entry = entry
        self.message = entry.message
        self.audio_bytes = audio_bytes  # sent since the last message that closed a stretch of audio


class ReplayScript:
    """Compares what the application sends with a recording. Pure.

    Messages come in the order of the recording, except where their ids tell which is which: results of functions and
    approvals answer their calls in any order. Audio is a stream of its own, compared by its length wherever the
    application closes a stretch of it. Reports of playback depend on the clock, and are not compared.

    Args:
        recorded: The recording.
        check: ``"strict"`` compares types and contents, ids of the application's making apart; ``"types"`` types alone;
            None nothing, and nothing is waited for.
    """

    def __init__(self, recorded: RecordedSession, check: Check = "strict") -> None:
        self._recorded = recorded
        self._check = check
        self._lanes: dict[str, deque[_Expected]] = {}
        self._open: dict[int, _Expected] = {}  # not sent yet, by position: in order
        self._audio_before: list[int] = []  # bytes sent before each message of the recording, and before its end
        self._audio_sent = 0
        self._stretch = 0  # bytes of audio since a message that closed a stretch
        self._ids: dict[str, str] = {}  # what the recording calls something → what the application calls it
        self._read(recorded.messages)

    def _read(self, messages: list[RecordedMessage]) -> None:
        total = stretch = 0
        for position, entry in enumerate(messages):
            self._audio_before.append(total)
            message = entry.message
            if isinstance(message, m.InputAudioAppend):
                total += len(message.audio)
                stretch += len(message.audio)
            elif isinstance(message, ClientMessage) and not isinstance(message, m.OutputAudioPlayed):
                expected = _Expected(position, entry, stretch)
                stretch = 0 if isinstance(message, _CLOSES_AUDIO) else stretch
                self._lanes.setdefault(_lane(message), deque()).append(expected)
                self._open[position] = expected
        self._audio_before.append(total)

    @property
    def checks(self) -> bool:
        """Whether anything is expected of the application."""
        return self._check is not None

    # --- what the application does ---

    def opened(self, options: SessionOptions) -> None:
        """The application asks for a session: what it states must have been stated.

        Raises:
            ReplayMismatch: It asks for something else.
        """
        if self._check != "strict":
            return
        asked = _measured(without_secrets(plain(m.SessionUpdate(options=options)))["options"])
        recorded = _measured(self._recorded.asked)
        for name in options.stated():
            if name in ("raw_factory", "unsupported"):
                continue
            wanted, given = recorded.get(name), asked.get(name)
            if wanted != given:
                what = f"The session is opened with another {name} than the recording."
                raise ReplayMismatch(what, expected=_shown(wanted), got=_shown(given))

    def sent(self, message: ClientMessage) -> RecordedMessage | None:
        """The application sends a message; gives back its counterpart in the recording, where it is told.

        Raises:
            ReplayMismatch: The recording holds something else.
        """
        if self._check is None or isinstance(message, m.OutputAudioPlayed):
            return None
        if isinstance(message, m.InputAudioAppend):
            self._audio_sent += len(message.audio)
            self._stretch += len(message.audio)
            return None
        lane = self._lanes.get(_lane(message))
        if not lane:
            raise ReplayMismatch(
                f"The application sends {message.type}, and the recording holds nothing more of the kind.",
                expected=self.awaited,
                got=_shown(for_log(message)),
            )
        self._compare(lane[0], message)
        expected = lane.popleft()
        del self._open[expected.position]
        self._learn(expected.message, message)
        if isinstance(message, _CLOSES_AUDIO):
            self._stretch = 0
        return expected.entry

    # --- what the recording may go on with ---

    def may_follow(self, position: int) -> bool:
        """Whether the application has sent all that came before the message at `position`."""
        if self._check is None:
            return True
        first = next(iter(self._open), len(self._recorded.messages))
        return first >= position and self._audio_sent >= self._audio_before[position]

    @property
    def awaited(self) -> str:
        """What the application has not sent yet, in words: the next of it."""
        for expected in self._open.values():
            return f"{_shown(for_log(expected.message))} (at {expected.entry.at:.3f} s)"
        if self._audio_sent < self._audio_before[-1]:
            return f"{self._audio_before[-1]} bytes of audio in all (there were {self._audio_sent})"
        return "nothing more"

    def renamed(self, message: ServerMessage) -> ServerMessage:
        """A message of the recording with the application's ids in the place of those that it had then."""
        if not self._ids or isinstance(message, m.OutputAudioDelta):  # whose ids are the provider's
            return message
        value = plain(message)
        changed = _renamed(value, self._ids)
        return message if changed == value else m.server_from_json(msgspec.json.encode(changed))

    # --- pieces ---

    def _compare(self, expected: _Expected, message: ClientMessage) -> None:
        where = f"at {expected.entry.at:.3f} s of the recording"
        if _kind(expected.message) != _kind(message):
            raise ReplayMismatch(
                f"The application sends another message than {where}.",
                expected=_shown(for_log(expected.message)),
                got=_shown(for_log(message)),
            )
        if self._check != "strict":
            return
        wanted, given = _comparable(_renamed(plain(expected.message), self._ids)), _comparable(plain(message))
        if wanted != given:
            raise ReplayMismatch(
                f"The application sends another {message.type} than {where}: {_difference(wanted, given)} differs.",
                expected=_shown(for_log(expected.message)),
                got=_shown(for_log(message)),
            )
        if isinstance(message, _CLOSES_AUDIO) and self._stretch != expected.audio_bytes:
            raise ReplayMismatch(
                f"The application sends another amount of audio before {message.type} than {where}.",
                expected=f"{expected.audio_bytes} bytes",
                got=f"{self._stretch} bytes",
            )

    def _learn(self, recorded: ClientMessage, message: ClientMessage) -> None:
        pairs = [(recorded.id, message.id)]
        if isinstance(recorded, m.ItemCreate) and isinstance(message, m.ItemCreate):
            pairs.append((recorded.item.id, message.item.id))
        for then, now in pairs:
            if then is not None and now is not None and then != now:
                self._ids[then] = now


_CLOSES_AUDIO = (m.InputAudioCommit, m.InputAudioEnd, m.InputAudioClear, m.UserTurnEnd)


def _lane(message: ClientMessage) -> str:
    """Messages of one lane come in the order of the recording."""
    match message:
        case m.ItemCreate(item=m.FunctionResult(call_id=call_id)):
            return f"result {call_id}"
        case m.FunctionCallApproval(approval_id=approval_id):
            return f"approval {approval_id}"
        case _:
            return "messages"


def _kind(message: ClientMessage) -> tuple[str, object]:
    item = message.item if isinstance(message, m.ItemCreate) else None
    return message.type, item and type(item)


def _comparable(message: dict[str, Any]) -> dict[str, Any]:
    """JSON values of a message: without the ids that its maker chose, and with lengths for audio and pictures."""
    shown: dict[str, Any] = _measured(without_secrets(message))
    shown.pop("id", None)
    for item in (shown.get("item"), *(shown.get("items") or ())):
        if isinstance(item, dict) and item.get("type") != "item_reference":
            item.pop("id", None)
    return shown


def _measured(value: Any) -> Any:
    match value:
        case list():
            return [_measured(member) for member in value]
        case dict():
            return {name: _length(value, name) if _is_media(value, name) else _measured(value[name]) for name in value}
        case _:
            return value


def _is_media(parent: dict[str, Any], name: str) -> bool:
    text = parent[name]
    if not isinstance(text, str):
        return False
    return name == "audio" or (parent.get("type") == "image" and (name == "data" or text.startswith("data:")))


def _length(parent: dict[str, Any], name: str) -> int | str:
    return "data:" if name == "url" else base64_bytes(parent[name])


def _renamed(value: Any, ids: dict[str, str], name: str = "") -> Any:
    match value:
        case str() if name == "id" or name.endswith(("_id", "_ids")):
            return ids.get(value, value)
        case list():
            return [_renamed(member, ids, name) for member in value]
        case dict():
            return {key: _renamed(member, ids, key) for key, member in value.items()}
        case _:
            return value


def _difference(wanted: Any, given: Any, path: str = "") -> str:
    """The first place where the two are not the same, such as ``item.content[0].text``."""
    if isinstance(wanted, dict) and isinstance(given, dict):
        for name in (*wanted, *given):
            if wanted.get(name) != given.get(name):
                return _difference(wanted.get(name), given.get(name), f"{path}.{name}" if path else name)
    if isinstance(wanted, list) and isinstance(given, list) and len(wanted) == len(given):
        for index, pair in enumerate(zip(wanted, given, strict=True)):
            if pair[0] != pair[1]:
                return _difference(*pair, f"{path}[{index}]")
    return path or "all of it"


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ... ({len(text)} characters)"
