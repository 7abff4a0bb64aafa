"""A message as JSON for a recording: without secrets; audio and pictures whole, or only how long they were."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import msgspec
import pybase64

from duologue import messages as m
from duologue.messages import Message, to_json
from duologue.middleware.redaction import base64_bytes, plain, without_secrets

Media = Literal["keep", "cut"]
JsonValue = TypeVar("JsonValue")

NO_JSON = (TypeError, ValueError, OverflowError, RecursionError)
"""What making JSON raises of a message that is none: objects, lone surrogates, huge numbers, deep nesting."""

_SUFFIX = "_bytes"  # "audio" becomes "audio_bytes" when it is cut
_SILENCE = {"pcmu": b"\xff", "pcma": b"\xd5"}
_AUDIO = (m.InputAudioAppend, m.OutputAudioDelta)
# Those hold nothing that could be cut or hidden.
_PLAIN = (
    m.OutputTranscriptDelta,
    m.OutputTextDelta,
    m.InputTranscriptDelta,
    m.FunctionArgumentsDelta,
    m.ReasoningDelta,
    m.OutputAudioPlayed,
)


class MessageEncoder:
    """Makes JSON of messages.

    Args:
        audio: ``"cut"`` keeps only how many bytes it had.
        images: The same for pictures.
    """

    def __init__(self, *, audio: Media = "keep", images: Media = "keep") -> None:
        self._cuts = frozenset(kind for kind, media in (("audio", audio), ("images", images)) if media == "cut")

    def encode(self, message: Message) -> bytes:
        """The message's JSON.

        Raises:
            TypeError: It holds something that is no JSON; see `NO_JSON` for the others.
        """
        if isinstance(message, _AUDIO):
            return self._encode_audio(message)
        if isinstance(message, _PLAIN):
            return to_json(message)
        return msgspec.json.encode(self.cleaned(plain(message)))

    def cleaned(self, value: JsonValue) -> JsonValue:
        """JSON values without secrets, and without the media that are cut."""
        clean: JsonValue = self._cut(without_secrets(value)) if self._cuts else without_secrets(value)
        return clean

    def _encode_audio(self, message: m.InputAudioAppend | m.OutputAudioDelta) -> bytes:
        """Most of a recording: base64 by the faster library, put into the place of no audio."""
        text = to_json(msgspec.structs.replace(message, audio=b""))
        if "audio" in self._cuts:
            return text[:-1] + b',"audio_bytes":%d}' % len(message.audio)
        return text.replace(b'"audio":""', b'"audio":"%b"' % pybase64.b64encode(message.audio), 1)

    def _cut(self, value: Any) -> Any:
        match value:
            case list():
                return [self._cut(member) for member in value]
            case dict():
                cut: dict[str, Any] = {}
                for name, member in value.items():
                    if not isinstance(member, str) or not self._is_cut(value, name, member):
                        cut[name] = self._cut(member)
                    elif name in ("url", "image_url"):
                        cut[name] = "data:,"
                    else:
                        cut[name] = ""
                        cut[name + _SUFFIX] = base64_bytes(member)
                return cut
            case _:
                return value

    def _is_cut(self, parent: dict[str, Any], name: str, text: str) -> bool:
        match name:
            case "data":
                return ("images" if parent.get("type") == "image" else "audio") in self._cuts
            case "url" | "image_url":
                return "images" in self._cuts and text.startswith("data:")
            case "audio" | "binary" | "delta" | "blob" | "pcm":  # the latter in frames that the library does not know
                return "audio" in self._cuts
            case _:
                return False


def restored(message: bytes) -> bytes:
    """The JSON of a recorded message, with silence in place of what was cut."""
    if b'_bytes":' not in message:
        return message
    return msgspec.json.encode(_restored(msgspec.json.decode(message)))


def _restored(value: Any) -> Any:
    match value:
        case list():
            return [_restored(member) for member in value]
        case dict():
            whole = {name: _restored(member) for name, member in value.items()}
            for name in value:
                size = whole.get(name + _SUFFIX)
                if value[name] == "" and isinstance(size, int):
                    del whole[name + _SUFFIX]
                    whole[name] = pybase64.b64encode(_silence(whole) * size).decode()
            return whole
        case _:
            return value


def _silence(part: dict[str, Any]) -> bytes:
    """One byte of no sound in the format of a part; PCM, as bytes of pictures, where it has none."""
    match part.get("format"):
        case {"encoding": str(encoding)}:
            return _SILENCE.get(encoding, b"\0")
        case _:
            return b"\0"
