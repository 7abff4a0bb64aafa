"""A conversation as a JSON document."""

from __future__ import annotations

from typing import Any

import msgspec

from duologue.capabilities import Capabilities
from duologue.errors import InvalidInput
from duologue.items import Item
from duologue.options import OFF, SessionOptions, Transcription
from duologue.tools import FunctionTool, McpServerTool, Tool

VERSION = 2
_READ = frozenset({1, VERSION})
"""The versions that can be read: documents of 1 hold no tools and nothing of `SessionOptions.extra`."""

_OF_ONE_SESSION = frozenset({"history", "resume", "unsupported"})
_OF_ONE_PROVIDER = frozenset(
    {"model", "voice", "speed", "prompt", "include", "metadata", "reasoning_effort", "raw_factory"}
)


class InvalidSnapshot(InvalidInput):
    """A document that is no snapshot, or one of another version of the library."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A conversation as it stands, with what another session needs to go on with it.

    It holds what was said: keep it as you keep that. `SessionOptions.extra` is in it as it was given. Functions,
    `Secret` values and sound are not: `left_out` tells, and a session that goes on without them has to say so.

    Attributes:
        version: Of this format.
        provider: Who has answered so far.
        model: Its model.
        options: What was asked for, as JSON; of tools their declarations.
        left_out: The options that are not in it, or not whole: ``"tools"`` whose functions or secrets are missing,
            ``"raw_factory"``, ``"extra"``. They are to be stated anew.
        items: The conversation, as far as it was heard.
        handle: The provider's own handle, if it stands for all of the conversation.
        owes_answer: The user's last turn has no answer: ask for one, with ``session.respond()``.
        lacks_words: There was no transcript of that turn yet, and so it is not in here: ask the user to say it again.
    """

    version: int = 0
    provider: str
    model: str | None = None
    options: dict[str, Any] = {}
    left_out: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()
    handle: str | None = None
    owes_answer: bool = False
    lacks_words: bool = False

    def to_json(self) -> bytes:
        """The document."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, document: bytes | str) -> Snapshot:
        """Read a document.

        Raises:
            InvalidSnapshot: It is cut, damaged, something else, or of another version.
        """
        try:
            snapshot = _decoder.decode(document)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise InvalidSnapshot(f"This is no snapshot, or not a whole one: {error}") from error
        if snapshot.version not in _READ:
            raise InvalidSnapshot(
                f"The snapshot has version {snapshot.version}, and this library reads up to version {VERSION}. "
                "Read it with the version of duologue that has written it."
            )
        snapshot.stated()
        return snapshot

    def stated(self) -> SessionOptions:
        """The options of the session that it was taken of.

        Raises:
            InvalidSnapshot: They are none.
        """
        try:
            return msgspec.convert(self.options, SessionOptions)
        except (msgspec.ValidationError, InvalidInput) as error:
            raise InvalidSnapshot(f"The snapshot's options are none: {error}") from error

    def as_it_is(self) -> Snapshot:
        """The same for a session that goes on without what was left out: tools that are declarations alone, say."""
        return msgspec.structs.replace(self, left_out=())

    def resumed(self, options: SessionOptions | None, provider: str, can: Capabilities) -> SessionOptions:
        """The options for a session that goes on from here.

        Args:
            options: What the application states anew; it goes before what the snapshot holds.
            provider: Who is to go on.
            can: What that one can do.
        """
        kept = self.stated()
        is_same = provider == self.provider
        if not is_same:
            kept = portable(kept, can)
            offered = (("input_audio", can.input_formats), ("output_audio", can.output_formats))
            lost = [name for name, formats in offered if formats is not None and getattr(kept, name) not in formats]
            kept = msgspec.structs.replace(kept, **dict.fromkeys(lost))
        if "tools" in self.left_out:
            kept = msgspec.structs.replace(kept, tools=None)  # whoever states them anew states all of them
        merged = kept.merged(options)
        model = merged.model or self.model
        handle = self.handle if is_same and can.resumption and model == self.model else None
        return msgspec.structs.replace(merged, history=self.items or None, resume=handle)

    def check(self, options: SessionOptions, provider: str) -> None:
        """Refuse options for a session that goes on from here, and lacks what was left out.

        Args:
            options: All that was stated, with the client's defaults.
            provider: Who is to go on: another one needs no more than the tools.

        Raises:
            InvalidInput: Something was left out, and not stated anew.
        """
        needed = self.left_out if provider == self.provider else set(self.left_out) & {"tools"}
        lacking = sorted(set(needed) - set(options.stated()))
        if not lacking:
            return
        tools = self.stated().tools or ()
        names = ", ".join(tool.name if isinstance(tool, FunctionTool) else tool.server_label for tool in tools)
        what = [f"tools ({names})" if name == "tools" and names else name for name in lacking]
        raise InvalidInput(
            f"The snapshot is of a session with {' and '.join(what)}, which is not in it, or not whole. State it anew: "
            f"client.create_session(SessionOptions({lacking[0]}=...), resume=snapshot). Or go on without it: "
            "resume=snapshot.as_it_is()."
        )


_ALWAYS = frozenset({"extra", "history", "resume", "unsupported", "tools", "input_audio", "output_audio"})
_decoder = msgspec.json.Decoder(Snapshot)


def take_snapshot(
    options: SessionOptions,
    items: tuple[Item, ...],
    *,
    provider: str,
    model: str | None,
    handle: str | None = None,
    owes_answer: bool = False,
    lacks_words: bool = False,
    extra: bool = True,
) -> Snapshot:
    """A snapshot of a session.

    Args:
        options: What was asked for.
        items: The conversation.
        provider: Who answers.
        model: Its model.
        handle: The provider's handle for all of these items.
        owes_answer: Whether the user's last turn has no answer.
        lacks_words: Whether there is no transcript of that turn.
        extra: Whether to keep `SessionOptions.extra`, which is written down as it is.
    """
    kept, left_out = _kept(options, extra)
    return Snapshot(
        version=VERSION,
        provider=provider,
        model=model,
        options=msgspec.json.decode(msgspec.json.encode(kept)),
        left_out=left_out,
        items=items,
        handle=handle,
        owes_answer=owes_answer,
        lacks_words=lacks_words,
    )


def _kept(options: SessionOptions, extra: bool) -> tuple[SessionOptions, tuple[str, ...]]:
    """What of the options can be written down, and the names of those that cannot, or not as a whole."""
    left_out: list[str] = []
    changes: dict[str, Any] = dict.fromkeys(_OF_ONE_SESSION)
    if options.raw_factory is not None:
        changes["raw_factory"] = None
        left_out.append("raw_factory")
    if options.extra and not (extra and _is_json(options.extra)):
        changes["extra"] = {}
        left_out.append("extra")
    if any(_is_incomplete(tool) for tool in options.tools or ()):
        left_out.append("tools")
        changes["tools"] = tuple(tool for tool in options.tools or () if not _has_secrets(tool))
    return msgspec.structs.replace(_base(options), **changes), tuple(left_out)


def _is_incomplete(tool: Tool) -> bool:
    """Whether a tool is more than what can be written down of it."""
    return _has_secrets(tool) or (isinstance(tool, FunctionTool) and tool.has_implementation)


def _has_secrets(tool: Tool) -> bool:
    return isinstance(tool, McpServerTool) and bool(tool.authorization or tool.headers)


def _is_json(value: object) -> bool:
    """Whether it can be written down: as JSON, without secrets, which do not show."""
    if isinstance(value, dict):
        return all(isinstance(name, str) and _is_json(part) for name, part in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_json, value))
    return value is None or isinstance(value, str | int | float | bool)


def portable(options: SessionOptions, can: Capabilities) -> SessionOptions:
    """What of a session's options means the same to another provider, which can do what `can` says."""
    changes: dict[str, Any] = {
        name: None for name in options.stated() if name in _OF_ONE_PROVIDER or name not in can.options | _ALWAYS
    }
    changes["extra"] = {}
    if options.output_modalities and not set(options.output_modalities) <= can.output_modalities:
        changes["output_modalities"] = None
    if options.turn_detection is not OFF:  # how it is found differs everywhere
        changes["turn_detection"] = None
    if isinstance(options.transcription, Transcription) and "transcription" not in changes:
        changes["transcription"] = Transcription()
    return msgspec.structs.replace(SessionOptions().merged(_base(options)), **changes)


def _base(options: SessionOptions) -> SessionOptions:
    """Without what a provider's own class of options adds."""
    return SessionOptions(**{name: getattr(options, name) for name in SessionOptions.__struct_fields__})
