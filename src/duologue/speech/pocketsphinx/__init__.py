"""Speech to text with PocketSphinx, in worker processes: ``pip install "duologue[local]"``."""

from duologue.speech.pocketsphinx.engine import PocketSphinxSpeechToText

__all__ = ["PocketSphinxSpeechToText"]
