"""Audio inside the items of a conversation, converted as a whole. Pure."""

from __future__ import annotations

import msgspec

from duologue import messages as m
from duologue.errors import InvalidAudio
from duologue.formats import AudioFormat
from duologue.middleware.audio_streams import converter


class Formats(msgspec.Struct, frozen=True):
    """What one side means by audio.

    Attributes:
        input: The format of the user's audio.
        output: The format of the model's.
    """

    input: AudioFormat
    output: AudioFormat


def check_items(items: tuple[m.Item, ...], source: Formats) -> None:
    """Raise `InvalidAudio` where a clip ends inside a sample.

    Args:
        items: What their clips say of their own format goes before `source`.
        source: The formats of the side that they come from.
    """
    for item in items:
        if not isinstance(item, m.MessageItem):
            continue
        for part in item.content:
            if not isinstance(part, m.AudioContent) or part.audio is None:
                continue
            format = part.format or _of_role(item, source)
            if not format.is_aligned(len(part.audio)):
                raise InvalidAudio(
                    f"A clip's {len(part.audio)} bytes are no whole samples of {format}. Nothing was sent."
                )


def convert_item(item: m.Item, source: Formats, target: Formats) -> m.Item:
    """`item` with its clips in the `target` formats; the same object where nothing changes. Half a sample is dropped.

    Args:
        item: What its clips say of their own format goes before `source`.
        source: The formats of the side that it comes from.
        target: The formats of the side that it goes to.

    Raises:
        MissingDependency: numpy is not installed, and there is a clip to convert.
    """
    if not isinstance(item, m.MessageItem):
        return item
    content = convert_content(item.content, _of_role(item, source), _of_role(item, target))
    return item if content is item.content else msgspec.structs.replace(item, content=content)


def convert_items(items: tuple[m.Item, ...], source: Formats, target: Formats) -> tuple[m.Item, ...]:
    """Several items: see `convert_item`."""
    converted = tuple(convert_item(item, source, target) for item in items)
    return items if all(new is old for new, old in zip(converted, items, strict=True)) else converted


def convert_content(content: tuple[m.Content, ...], source: AudioFormat, target: AudioFormat) -> tuple[m.Content, ...]:
    """The parts of a message: see `convert_item`."""
    converted = tuple(
        _convert_clip(part, part.format or source, target) if isinstance(part, m.AudioContent) else part
        for part in content
    )
    return content if all(new is old for new, old in zip(converted, content, strict=True)) else converted


def _convert_clip(clip: m.AudioContent, source: AudioFormat, target: AudioFormat) -> m.AudioContent:
    if source == target:
        return clip
    if clip.audio is None:
        return clip if clip.format is None else msgspec.structs.replace(clip, format=target)
    whole = converter(source, target)
    return msgspec.structs.replace(clip, audio=whole.process(clip.audio) + whole.flush(), format=target)


def _of_role(item: m.MessageItem, formats: Formats) -> AudioFormat:
    return formats.input if item.role == "user" else formats.output
