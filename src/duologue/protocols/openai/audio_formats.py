"""Audio formats as the wire names them."""

from __future__ import annotations

from duologue.formats import PCM16_8K, PCM16_16K, PCM16_24K, PCMA, PCMU, AudioFormat
from duologue.protocols.openai.dialect import Dialect
from duologue.protocols.openai.values import JsonObject, as_int, as_object

_MEDIA_TYPES = {"pcm16": "audio/pcm", "pcmu": "audio/pcmu", "pcma": "audio/pcma"}
_G711 = {
    "audio/pcmu": PCMU,
    "audio/pcma": PCMA,
    "g711_ulaw": PCMU,
    "g711_alaw": PCMA,
}
_FLAT = {**_G711, "pcm16_8000hz": PCM16_8K, "pcm16_16000hz": PCM16_16K, "pcm24": PCM16_24K}


def write_format(audio: AudioFormat) -> JsonObject:
    """A format as an object: ``{"type": "audio/pcm", "rate": 24000}``."""
    written: JsonObject = {"type": _MEDIA_TYPES[audio.encoding]}
    if audio.encoding == "pcm16":
        written["rate"] = audio.rate
    return written


def flat_format(audio: AudioFormat, dialect: Dialect) -> str:
    """A format as a name: ``"pcm16"``."""
    return dialect.flat_formats.get(audio, "pcm16")


def read_format(value: object, rate: object = None) -> AudioFormat | None:
    """A format as an object or as a name; None if it is unknown.

    Args:
        value: What the wire says.
        rate: The rate in Hz that it states elsewhere.
    """
    if isinstance(value, str):
        return _FLAT.get(value) or _pcm(rate) if value in _FLAT or value in ("pcm16", "pcm") else None
    written = as_object(value)
    name = written.get("type")
    if not isinstance(name, str):
        return None
    if name == "audio/pcm":
        return _pcm(written.get("rate"))
    return _FLAT.get(name) or (_pcm(rate) if name == "pcm16" else None)


def _pcm(rate: object) -> AudioFormat:
    hertz = as_int(rate)
    return PCM16_24K if hertz is None or hertz <= 0 else AudioFormat("pcm16", hertz)
