"""What the conformance suite needs to know of a provider."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping

from duologue.capabilities import Capabilities
from duologue.client import RealtimeClient
from duologue.formats import AudioFormat
from duologue.options import SessionOptions
from duologue.tools import FunctionTool


class Harness(ABC):
    """How a provider is set up for a test, and how its model is made to behave. Every test gets a new one.

    The suite writes the three prompts, and says them where `speech` can. A model that follows instructions needs no
    more; a scripted one recognises them.

    Attributes:
        options: What every session is opened with, such as a model.
        timeout: How long the suite waits for a message, in s.
        short_prompt: Answered with a sentence.
        long_prompt: Answered at such length that the answer is still on its way when the suite stops it.
        tool_prompt: Answered with a call of `get_weather` for Oslo, when that is offered; with its result, in words.
        silence_ms: The silence after speech with which turn detection ends a turn, in ms.
    """

    options = SessionOptions()
    timeout = 10.0
    short_prompt = "Please say hello."
    long_prompt = "Please count from one to a thousand, in words, and leave nothing out."
    tool_prompt = "What is the weather in Oslo?"
    silence_ms = 1_500

    def stated(self, can: Capabilities) -> SessionOptions:
        """Options of which every one is confirmed as it was stated."""
        values = {
            "instructions": "Be brief.",
            "output_modalities": ("text",) if "text" in can.output_modalities else ("audio",),
            "max_output_tokens": 500,
            "parallel_tool_calls": False,
        }
        return options_that_it_takes(values, can)

    @abstractmethod
    def make_client(self) -> RealtimeClient:
        """A client of the provider. The suite closes it."""

    async def speech(self, text: str, format: AudioFormat) -> bytes | None:
        """`text` as a user says it, in `format`, with no silence after it; None: tests that need it are skipped."""
        return None

    def hears(self, said: str, transcript: str) -> bool:
        """Whether `transcript` is right for what was said. Here: the same words."""
        return _words(said) == _words(transcript)


def options_that_it_takes(values: Mapping[str, object], can: Capabilities) -> SessionOptions:
    """Of these values, those of options that the provider takes."""
    taken = {name: value for name, value in values.items() if name in can.options}
    return SessionOptions(**taken)  # type: ignore[arg-type]


def _words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower())


GET_WEATHER = FunctionTool(
    name="get_weather",
    description="The weather in a city.",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string", "description": "The city's name."}},
        "required": ["city"],
        "additionalProperties": False,
    },
    examples=("what is the weather in {city}",),
)
"""The tool that the suite offers, as a declaration: its calls are the suite's to answer."""
