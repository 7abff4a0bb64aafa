"""Messages as lines of JSON, for programs to read."""

from __future__ import annotations

from types import TracebackType
from typing import Any, BinaryIO, Self

import msgspec

from duologue.messages import ServerMessage, to_json


class JsonLinesView:
    """Writes every server message as one line of JSON, with its `type`.

    Args:
        output: Where to write.
        with_audio: Whether audio is written, as base64; else ``"audio"`` becomes ``"audio_bytes"``, a count.
    """

    def __init__(self, output: BinaryIO, *, with_audio: bool = False) -> None:
        self._output = output
        self._with_audio = with_audio

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._output.flush()

    def show(self, message: ServerMessage) -> None:
        """Write the next message."""
        line = to_json(message)
        if not self._with_audio:
            line = msgspec.json.encode(_counted(msgspec.json.decode(line)))
        self._output.write(line + b"\n")
        self._output.flush()


def _counted(value: Any) -> Any:
    """`value` with the size of audio, in bytes, in the place of the audio."""
    if isinstance(value, list):
        return [_counted(member) for member in value]
    if not isinstance(value, dict):
        return value
    counted = {}
    for name, member in value.items():
        if name == "audio" and isinstance(member, str):
            counted["audio_bytes"] = len(member) // 4 * 3 - member[-2:].count("=")
        else:
            counted[name] = _counted(member)
    return counted
