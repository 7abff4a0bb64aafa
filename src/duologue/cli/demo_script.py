"""What is asked in `duologue demo`, and what should come of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path

from duologue.audio import WavReader
from duologue.speech.rules import Rule

ASSETS = Path(str(resources.files("duologue.cli") / "assets"))
_MARGIN_MS = 200  # silence at both ends of each recording

STORY = (
    "Once upon a time there was a lighthouse at the end of a long stone pier. Its keeper had a parrot that repeated "
    "everything it heard. One night the fog hid the lamp. So the parrot called out the names of the rocks, until every "
    "boat had found its way home."
)

RULES = (
    Rule(("tell me a story",), STORY),
    Rule(("that is enough", "that is enough thank you"), "All right, I will stop there."),
)


@dataclass(frozen=True)
class Question:
    """A recording, and what it should lead to.

    Attributes:
        name: The file's name without its suffix.
        tool: The function to be called; None for an answer without one.
        arguments: What it is to be called with.
        cut_after_ms: How much of the answer is heard before the next question interrupts it, in ms.
    """

    name: str
    tool: str | None = None
    arguments: Mapping[str, object] = field(default_factory=dict)
    cut_after_ms: float | None = None

    @property
    def file(self) -> Path:
        """The recording."""
        return ASSETS / f"{self.name}.wav"

    @cached_property
    def text(self) -> str:
        """What it says."""
        index = json.loads((ASSETS / "questions.json").read_text(encoding="utf-8"))
        text: str = next(entry["text"] for entry in index["questions"] if entry["file"] == self.file.name)
        return text

    @cached_property
    def speech_ms(self) -> float:
        """How far into the recording its last word ends, in ms."""
        with WavReader(self.file) as reader:
            return (reader.frames or 0) * 1000 / reader.rate - _MARGIN_MS


QUESTIONS = (
    Question("time", "current_time"),
    Question("multiply", "calculate", {"first": 12, "operation": "times", "second": 7}),
    Question("timer", "set_timer", {"minutes": 5}),
    Question("light_on", "switch_light", {"room": "kitchen", "on": True}),
    Question("story", cut_after_ms=5_000),
    Question("enough"),
    Question("light_off", "switch_light", {"room": "kitchen", "on": False}),
)
