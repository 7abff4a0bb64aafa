"""Audio formats as the wire names them."""

from __future__ import annotations

from typing import NamedTuple

from duologue.formats import PCM16_8K, PCM16_16K, PCM16_24K, PCMA, PCMU, AudioFormat
from duologue.protocols.json_values import JsonObject, as_int, as_object
from duologue.protocols.openai.dialect import Dialect

_MEDIA_TYPES = {"pcm16": "audio/pcm", "pcmu": "audio/pcmu", "pcma": "audio/pcma"}
_G711 = {
    "audio/pcmu": PCMU,
    "audio/pcma": PCMA,
    "g711_ulaw": PCMU,
    "g711_alaw": PCMA,
}
_PCM = frozenset({"audio/pcm", "pcm16", "pcm"})
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


class BarePcm(NamedTuple):
    """What PCM is whose rate is not stated, in each direction; None where that is not known."""

    input: AudioFormat | None = None
    output: AudioFormat | None = None


NOT_KNOWN = BarePcm()


def bare_pcm(dialect: Dialect) -> BarePcm:
    """What PCM is in that dialect when its rate is not stated: known where there is but one rate, or the name says it.

    Where it is not known, what was asked for holds.
    """
    can = dialect.capabilities
    named = next((audio for audio, name in dialect.flat_formats.items() if name == "pcm16"), None)
    return BarePcm(
        input=_only_pcm(can.input_formats) or (None if dialect.input_rate else named),
        output=_only_pcm(can.output_formats) or named,
    )


def default_pcm(dialect: Dialect) -> BarePcm:
    """What a server takes PCM to be when a client does not state its rate: 24 kHz where the dialect says no other."""
    known = bare_pcm(dialect)
    return BarePcm(input=known.input or PCM16_24K, output=known.output or PCM16_24K)


def _only_pcm(formats: frozenset[AudioFormat] | None) -> AudioFormat | None:
    pcm = [audio for audio in formats or () if audio.encoding == "pcm16"]
    return pcm[0] if len(pcm) == 1 else None


def read_format(value: object, rate: object = None, *, bare_pcm: AudioFormat | None = None) -> AudioFormat | None:
    """A format as an object or as a name; None if it is unknown, or does not state its rate.

    Args:
        value: What the wire says.
        rate: The rate in Hz that it states elsewhere.
        bare_pcm: What PCM is whose rate is not stated; None where that is not known.
    """
    written = as_object(value)
    name = value if isinstance(value, str) else written.get("type")
    if not isinstance(name, str):
        return None
    if name not in _PCM:
        return _FLAT.get(name)
    hertz = as_int(written.get("rate", rate))
    return bare_pcm if hertz is None or hertz <= 0 else AudioFormat("pcm16", hertz)
