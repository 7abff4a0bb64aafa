"""Values of this wire: durations, audio types, ids."""

from __future__ import annotations

import math
import re

from duologue.formats import PCM16_16K, PCM16_24K, AudioFormat

_DURATION = re.compile(r"(-?\d{1,12}(?:\.\d{1,12})?)s")
_RATE = re.compile(r"rate=(\d{3,6})(?!\d)")
_KNOWN_TYPES = {"audio/pcm;rate=24000": PCM16_24K, "audio/pcm;rate=16000": PCM16_16K}


def read_duration(text: str | None) -> float | None:
    """The seconds of a duration such as ``"9.5s"``; None if it is none."""
    found = _DURATION.fullmatch(text or "")
    return None if found is None else float(found[1])


def write_duration(seconds: float) -> str:
    """A duration as the wire has it."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s" if math.isfinite(seconds) else "0s"


def read_audio_type(mime_type: str | None, default: AudioFormat) -> AudioFormat | None:
    """The format that a type such as ``"audio/pcm;rate=24000"`` tells; `default` without a rate; None: no audio."""
    known = _KNOWN_TYPES.get(mime_type or "")
    if known is not None:
        return known
    if mime_type is None or not mime_type.lower().startswith("audio/"):
        return None
    found = _RATE.search(mime_type.replace(" ", ""))
    return default if found is None or int(found[1]) == 0 else AudioFormat("pcm16", int(found[1]))


def write_audio_type(audio: AudioFormat) -> str:
    """The type of PCM audio."""
    return f"audio/pcm;rate={audio.rate}"
