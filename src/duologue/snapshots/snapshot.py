"""A conversation as a JSON document."""

from __future__ import annotations

from typing import Any

import msgspec

from duologue.capabilities import Capabilities
from duologue.errors import InvalidInput
from duologue.items import Item
from duologue.options import OFF, SessionOptions, Transcription

VERSION = 1

_NOT_KEPT = frozenset({"tools", "tool_choice", "history", "resume", "raw_factory", "unsupported", "extra"})
_OF_ONE_PROVIDER = frozenset(
    {"model", "voice", "speed", "prompt", "include", "metadata", "reasoning_effort", "raw_factory"}
)


class InvalidSnapshot(InvalidInput):
    """A document that is no snapshot, or one of another version of the library."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A conversation as it stands, with what another session needs to go on with it.

    It holds what was said: keep it as you keep that. Functions, secrets, and what only one provider understands
    (`SessionOptions.extra`) are not in it: state them anew.

    Attributes:
        version: Of this format.
        provider: Who has answered so far.
        model: Its model.
        options: What was asked for, as JSON.
        items: The conversation, as far as it was heard.
        handle: The provider's own handle, if it stands for all of the conversation.
        owes_answer: The user's last turn has no answer: ask for one, with ``session.respond()``.
    """

    version: int = 0
    provider: str
    model: str | None = None
    options: dict[str, Any] = {}
    items: tuple[Item, ...] = ()
    handle: str | None = None
    owes_answer: bool = False

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
        if snapshot.version != VERSION:
            raise InvalidSnapshot(
                f"The snapshot has version {snapshot.version}, and this library reads version {VERSION}. "
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
        merged = kept.merged(options)
        model = merged.model or self.model
        handle = self.handle if is_same and can.resumption and model == self.model else None
        return msgspec.structs.replace(merged, history=self.items or None, resume=handle)


_ALWAYS = frozenset({"extra", "history", "resume", "unsupported", "tools", "input_audio", "output_audio"})
_decoder = msgspec.json.Decoder(Snapshot)


def take_snapshot(
    options: SessionOptions,
    items: tuple[Item, ...],
    *,
    provider: str,
    model: str | None,
    handle: str | None,
    owes_answer: bool,
) -> Snapshot:
    """A snapshot of a session.

    Args:
        options: What was asked for.
        items: The conversation.
        provider: Who answers.
        model: Its model.
        handle: The provider's handle for all of these items.
        owes_answer: Whether the user's last turn has no answer.
    """
    plain = SessionOptions(
        **{
            name: getattr(options, name)
            for name in SessionOptions.__struct_fields__
            if name not in _NOT_KEPT and getattr(options, name) is not None
        }
    )
    return Snapshot(
        version=VERSION,
        provider=provider,
        model=model,
        options=msgspec.to_builtins(plain),
        items=items,
        handle=handle,
        owes_answer=owes_answer,
    )


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
