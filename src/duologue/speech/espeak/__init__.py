"""Text to speech with espeak-ng, through ctypes. It is GPL-3.0-or-later: only in the extra ``local``."""

from __future__ import annotations

from duologue.speech.espeak.engine import EspeakTextToSpeech

__all__ = ["EspeakTextToSpeech"]
