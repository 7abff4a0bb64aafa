"""Audio on its way through a session, converted as it flows: the user's one stream, and the model's many. Pure."""

from __future__ import annotations

from collections.abc import Collection

from duologue import messages as m
from duologue.audio import Converter
from duologue.formats import AudioFormat


def nearest(wanted: AudioFormat, offered: Collection[AudioFormat] | None) -> AudioFormat:
    """The offered format that keeps most of `wanted`: itself, else PCM of the next higher rate, else the best there is.

    Args:
        wanted: What the application has, or wants.
        offered: What the provider takes, or gives; None: anything.
    """
    if not offered or wanted in offered:
        return wanted
    pcm = [format for format in offered if format.encoding == "pcm16"]
    rich_enough = [format for format in pcm if format.rate >= wanted.rate]
    if rich_enough:
        return min(rich_enough, key=lambda format: format.rate)
    return max(pcm or offered, key=lambda format: (format.rate, format.encoding))


def converter(source: AudioFormat, target: AudioFormat) -> Converter:
    """A converter that is known to work.

    Raises:
        MissingDependency: numpy is not installed, and the formats differ.
    """
    made = Converter(source, target)
    made.process(b"")
    return made


class InputStream:
    """The user's audio. It may be cut anywhere, and change its format between one piece and the next."""

    def __init__(self) -> None:
        self._converter: Converter | None = None

    def convert(self, audio: bytes, source: AudioFormat, target: AudioFormat) -> bytes:
        """The next audio, as far as it makes whole samples; what a change of format leaves behind comes first."""
        current = self._converter
        if current is not None and (current.source, current.target) == (source, target):
            return current.process(audio)
        tail = current.flush() if current is not None and current.target == target else b""
        self._converter = converter(source, target)
        converted = self._converter.process(audio)
        return tail + converted if tail else converted

    def flush(self) -> bytes:
        """What is held back: the stream pauses here. Half a sample is dropped."""
        return b"" if self._converter is None else self._converter.flush()

    def reset(self) -> None:
        """Forget what is held back."""
        if self._converter is not None:
            self._converter.reset()


class OutputStreams:
    """The model's audio: each part of each item is a stream of its own, and keeps the format that it began with."""

    def __init__(self) -> None:
        self._streams: dict[tuple[str, int], tuple[str, Converter]] = {}

    def convert(self, delta: m.OutputAudioDelta, target: AudioFormat) -> tuple[bytes, AudioFormat]:
        """The next audio of a part, and its format. It is `target` unless the part began with another."""
        key = (delta.item_id, delta.content_index)
        _, current = self._streams.get(key, ("", None))
        if current is None or current.source != delta.format:
            target = target if current is None else current.target
            tail = b"" if current is None else current.flush()
            current = converter(delta.format, target)
            self._streams[key] = (delta.response_id, current)
            converted = current.process(delta.audio)
            return (tail + converted if tail else converted), target
        return current.process(delta.audio), current.target

    def finish(self, item_id: str, content_index: int) -> tuple[bytes, AudioFormat]:
        """The part is over: what was held back, and its format."""
        _, current = self._streams.pop((item_id, content_index), ("", None))
        return (b"", AudioFormat()) if current is None else (current.flush(), current.target)

    def drop(self, response_id: str | None) -> None:
        """Forget what is held back of a response; of all where it is None."""
        self._streams = {
            key: stream for key, stream in self._streams.items() if response_id is not None and stream[0] != response_id
        }
