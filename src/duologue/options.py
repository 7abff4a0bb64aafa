"""What an application can ask of a session, and of one response.

None always means *not stated*: the provider's default when a session is created, unchanged in an update. Switching
something off is a value of its own: `OFF`, or an empty tuple of tools.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

import msgspec

from duologue.errors import InvalidInput
from duologue.formats import AudioFormat
from duologue.items import Item
from duologue.tools import FunctionTool, McpServerTool, Tool

Modality = Literal["audio", "text"]
Unsupported = Literal["raise", "drop"]


class Off(enum.Enum):
    """The type of `OFF`."""

    OFF = "off"

    def __repr__(self) -> str:
        return "OFF"


OFF = Off.OFF
"""Switches a feature off: ``turn_detection=OFF``, ``transcription=OFF``, ``noise_reduction=OFF``."""


def make_tuples(struct: msgspec.Struct, *fields: str) -> None:
    """Make those fields of a new struct tuples, of whatever sequence was given; None stays.

    Raises:
        InvalidInput: One thing was given in place of a sequence.
    """
    for field in fields:
        value = getattr(struct, field)
        if value is None or isinstance(value, tuple):
            continue
        if isinstance(value, str | bytes) or not isinstance(value, Iterable):
            raise InvalidInput(f"{field} is a sequence: write ({value!r},).")
        msgspec.structs.force_setattr(struct, field, tuple(value))


class ServerTurnDetection(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="server", omit_defaults=True
):
    """The provider finds the user's turns by silence (``server_vad`` on OpenAI's wire).

    Attributes:
        threshold: How sure it must be that somebody speaks, 0 to 1. Scales differ between providers.
        prefix_padding_ms: Audio kept from before the speech was noticed, in ms.
        silence_ms: Silence that ends a turn, in ms.
        idle_timeout_ms: Silence of the user after which the model speaks by itself, in ms.
        create_response: Whether the end of a turn starts a response.
        interrupt_response: Whether speech stops the response that is active.
    """

    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_ms: int | None = None
    idle_timeout_ms: int | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


class SemanticTurnDetection(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="semantic", omit_defaults=True
):
    """The provider finds the user's turns by what is said (``semantic_vad`` on OpenAI's wire).

    Attributes:
        eagerness: How soon it answers.
        create_response: Whether the end of a turn starts a response.
        interrupt_response: Whether speech stops the response that is active.
    """

    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


TurnDetection = ServerTurnDetection | SemanticTurnDetection


class Transcription(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the user's speech is transcribed.

    Attributes:
        model: The transcription model.
        language: ISO 639-1, e.g. ``"en"``.
        languages: Several languages to expect.
        prompt: Words that set the scene.
        keywords: Phrases that the user is likely to say.
        delay: How long the model may wait for better words: ``"minimal"`` to ``"xhigh"``.
    """

    model: str | None = None
    language: str | None = None
    languages: tuple[str, ...] | None = None
    prompt: str | None = None
    keywords: tuple[str, ...] | None = None
    delay: str | None = None

    def __post_init__(self) -> None:
        make_tuples(self, "languages", "keywords")


class NoiseReduction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Noise reduction before turn detection and the model.

    Attributes:
        kind: ``"near_field"`` for headsets, ``"far_field"`` for laptops and rooms.
        strength: How much, 0 to 1, where a provider lets one say.
    """

    kind: Literal["near_field", "far_field"] = "near_field"
    strength: float | None = None


class FunctionChoice(msgspec.Struct, frozen=True, tag_field="type", tag="function"):
    """The model must call this function."""

    name: str


class McpChoice(msgspec.Struct, frozen=True, tag_field="type", tag="mcp", omit_defaults=True):
    """The model must call a tool of this MCP server; of any name, or of one."""

    server_label: str
    name: str | None = None


ToolChoice = Literal["auto", "none", "required"] | FunctionChoice | McpChoice


class PromptTemplate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A prompt that is stored at the provider."""

    id: str
    version: str | None = None
    variables: dict[str, Any] = {}


def check_response_options(
    tools: tuple[Tool, ...] | None,
    output_modalities: tuple[Modality, ...] | None,
    max_output_tokens: int | Literal["unlimited"] | None,
) -> None:
    """Refuse, with `InvalidInput`, what makes no sense for any provider, in a session or in a response."""
    for tool in tools or ():
        if not isinstance(tool, FunctionTool | McpServerTool):
            raise InvalidInput(
                f"A tool is a FunctionTool or an McpServerTool, not {type(tool).__name__}. "
                "Put @tool above the function, or FunctionTool.from_callable(function) around it."
            )
    names = [tool.name for tool in tools or () if isinstance(tool, FunctionTool)]
    if len(names) != len(set(names)):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise InvalidInput(f"Two tools have the same name: {', '.join(twice)}.")
    if isinstance(max_output_tokens, int) and max_output_tokens < 1:
        raise InvalidInput(f"max_output_tokens is at least 1, not {max_output_tokens}.")
    if output_modalities is not None and not output_modalities:
        raise InvalidInput('output_modalities is ("audio",) or ("text",), not empty.')


O = TypeVar("O", bound="SessionOptions")  # noqa: E741 - reads as "these options" below


class SessionOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an application asks of a session. Providers have subclasses for what only they know.

    Attributes:
        kind: ``"conversation"``, ``"transcription"``, ``"translation"``, or a provider's own.
        model: Overrides the client's model.
        instructions: The system prompt; ``""`` clears it.
        voice: The name or id of a voice.
        speed: Pace of speech; 1.0 is normal.
        input_audio: The format of the audio that the application sends.
        output_audio: The format of the audio that it wants.
        output_modalities: ``("audio",)`` (with a transcript) or ``("text",)``.
        transcription: Transcripts of the user's speech, or `OFF`.
        noise_reduction: Or `OFF`.
        turn_detection: Who finds the end of a turn, and how; `OFF` leaves it to the application.
        tools: What the model may call; ``()`` takes all tools away.
        tool_choice: Whether it must.
        parallel_tool_calls: Whether one response may hold several calls.
        max_output_tokens: Bound of one response, or ``"unlimited"``.
        temperature: Randomness, where a provider has it.
        reasoning_effort: ``"minimal"`` to ``"xhigh"``, where a model reasons.
        include: Extra output, e.g. ``("item.input_audio_transcription.logprobs",)``.
        prompt: A prompt that is stored at the provider.
        metadata: Strings kept with the session, where a provider has them.
        history: Items that the conversation starts with.
        resume: A handle of an earlier session (`ResumptionUpdated.handle`). With `history` beside it, that is what the
            handle stands for: it is sent where the handle is refused, or means nothing to the provider.
        unsupported: What to do with preferences that a wire cannot carry: refuse, or drop and warn.
        extra: Fields that go onto the provider's session object as they are; objects are merged into those that the
            other options make.
        raw_factory: Gets the provider's session object, may change it, and gives back what is sent.
    """

    kind: str | None = None
    model: str | None = None
    instructions: str | None = None
    voice: str | None = None
    speed: float | None = None
    input_audio: AudioFormat | None = None
    output_audio: AudioFormat | None = None
    output_modalities: tuple[Modality, ...] | None = None
    transcription: Transcription | Off | None = None
    noise_reduction: NoiseReduction | Off | None = None
    turn_detection: TurnDetection | Off | None = None
    tools: tuple[Tool, ...] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | Literal["unlimited"] | None = None
    temperature: float | None = None
    reasoning_effort: str | None = None
    include: tuple[str, ...] | None = None
    prompt: PromptTemplate | None = None
    metadata: dict[str, str] | None = None
    history: tuple[Item, ...] | None = None
    resume: str | None = None
    unsupported: Unsupported | None = None
    extra: dict[str, Any] = {}
    raw_factory: Callable[[dict[str, Any]], dict[str, Any]] | None = None

    def __post_init__(self) -> None:
        make_tuples(self, "tools", "history", "output_modalities", "include")
        check_response_options(self.tools, self.output_modalities, self.max_output_tokens)

    def __repr__(self) -> str:
        # `extra` may hold anything, so only its keys are shown.
        shown = [f"{name}={getattr(self, name)!r}" for name in self.stated() if name != "extra"]
        shown += [f"extra={{{', '.join(self.extra)}}}"] if self.extra else []
        return f"{type(self).__name__}({', '.join(shown)})"

    def merged(self: O, over: SessionOptions | None) -> O:
        """These options, with everything that `over` states in their place (`extra` key by key)."""
        if over is None:
            return self
        if type(over) is type(self) and not over.extra and self == _nothing(type(self)):
            return over
        stated = {name: value for name, value in _values(over).items() if value is not None}
        stated["extra"] = {**self.extra, **over.extra}
        lost = stated.keys() - self.__struct_fields__ if type(over) is not type(self) else ()
        if not lost:
            return msgspec.structs.replace(self, **stated)
        if issubclass(type(over), type(self)):
            return type(over)(**{**_values(self), **stated})  # type: ignore[return-value]
        names = ", ".join(sorted(lost))
        raise InvalidInput(f"{type(self).__name__} has no {names}; use {type(over).__name__} for both.")

    def stated(self) -> tuple[str, ...]:
        """The names of the options that are stated."""
        return tuple(name for name, value in _values(self).items() if value is not None and (name != "extra" or value))

    def function(self, name: str) -> FunctionTool | None:
        """The function tool of that name."""
        for tool in self.tools or ():
            if isinstance(tool, FunctionTool) and tool.name == name:
                return tool
        return None


def answers_speech(options: SessionOptions) -> bool:
    """Whether the provider answers by itself what the user says."""
    detection = options.turn_detection
    return detection is not OFF and getattr(detection, "create_response", None) is not False


_values = msgspec.structs.asdict


@functools.cache
def _nothing(kind: type[SessionOptions]) -> SessionOptions:
    """Options that state nothing."""
    return kind()
