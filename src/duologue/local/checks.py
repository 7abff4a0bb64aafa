"""What the embedded provider refuses beyond what its capabilities say, told before anything has changed."""

from __future__ import annotations

import difflib
from typing import Protocol

import msgspec

from duologue import messages as m
from duologue.errors import InvalidAudio, InvalidInput, UnsupportedOperation
from duologue.formats import PCM16_24K, AudioFormat
from duologue.local.input import segmentation_settings
from duologue.local.settings import MODEL, PROVIDER, detection_of
from duologue.options import OFF, FunctionChoice, Modality, SessionOptions, ToolChoice, Transcription
from duologue.tools import FunctionTool, Tool

_SLOWEST, _FASTEST = 0.25, 4.0
_OF_A_WIRE = ("extra", "raw_factory")


class Checks(Protocol):
    """What an engine refuses. Whoever runs it decides."""

    def options(self, options: SessionOptions) -> None:
        """Refuse options, with every default filled in, that cannot be followed."""
        ...

    def item(self, item: m.Item, input_audio: AudioFormat) -> None:
        """Refuse an item that cannot become part of a conversation."""
        ...

    def request(self, request: m.ResponseCreate, options: SessionOptions) -> None:
        """Refuse a request for a response that cannot be followed."""
        ...


class LocalChecks(msgspec.Struct, frozen=True):
    """What the embedded provider refuses.

    Attributes:
        voices: What the text-to-speech engine knows; none: it takes any name.
    """

    voices: tuple[str, ...] = ()

    def options(self, options: SessionOptions) -> None:
        """Refuse options that do not make sense here.

        Raises:
            InvalidInput: There is no such voice, a number is out of range, or the history does not hold together.
            UnsupportedOperation: They ask for what the embedded provider cannot do.
        """
        _check_options(options, self.voices)

    def item(self, item: m.Item, input_audio: AudioFormat) -> None:
        """Refuse an item.

        Raises:
            InvalidAudio: Its audio ends with half a sample.
            UnsupportedOperation: It is of a kind that the embedded provider does not know.
        """
        _check_item(item, input_audio)

    def request(self, request: m.ResponseCreate, options: SessionOptions) -> None:
        """Refuse a request.

        Raises:
            InvalidInput: There is no such voice, or no such tool to choose.
            UnsupportedOperation: It asks for what the embedded provider cannot do.
        """
        _check_request(request, self.voices, options)


def _check_options(options: SessionOptions, voices: tuple[str, ...]) -> None:
    for name in _OF_A_WIRE:
        if getattr(options, name):
            raise UnsupportedOperation(f"the option {name}", PROVIDER, "There is no wire that it could change.")
    if options.model not in (None, MODEL):
        raise UnsupportedOperation(f"the model {options.model!r}", PROVIDER, "Give the client another responder.")
    _check_transcription(options)
    _check_voice(options.voice, voices)
    if options.speed is not None and not _SLOWEST <= options.speed <= _FASTEST:
        raise InvalidInput(f"speed is between {_SLOWEST} and {_FASTEST}, and 1.0 is normal; not {options.speed}.")
    _check_answer(options.tool_choice, options.tools or (), options.output_modalities or ())
    detection = detection_of(options)
    if detection is not None:
        segmentation_settings(detection)
        if detection.idle_timeout_ms is not None and detection.idle_timeout_ms <= 0:
            raise InvalidInput(f"idle_timeout_ms is a time above 0 ms, not {detection.idle_timeout_ms}.")
    if options.kind == "transcription" and options.transcription is OFF:
        raise InvalidInput("A session of kind 'transcription' with transcription=OFF would tell nothing.")
    _check_history(options)


def _check_transcription(options: SessionOptions) -> None:
    stated = options.transcription
    for name in ("model", "languages", "prompt", "delay"):
        if isinstance(stated, Transcription) and getattr(stated, name) is not None:
            way_out = "It takes language and keywords; another SpeechToText may take more."
            raise UnsupportedOperation(f"{name} of transcription", PROVIDER, way_out)


def has_voice(voice: str | None, voices: tuple[str, ...]) -> bool:
    """Whether the text-to-speech engine has that voice; None, the default, it always has."""
    if voice is None or not voices:
        return True
    known = {name.lower() for name in voices}
    wanted = voice.lower()
    return wanted in known or wanted.partition("+")[0] in known


def _check_voice(voice: str | None, voices: tuple[str, ...]) -> None:
    """Raise `InvalidInput` where the text-to-speech engine has no such voice. ``"voice+variant"`` alters one."""
    if voice is not None and not has_voice(voice, voices):
        wanted = voice.lower()
        close = difflib.get_close_matches(wanted, voices, n=3)
        hint = f"Did you mean {', '.join(close)}?" if close else f"There are {len(voices)}: {_some(voices)}."
        raise InvalidInput(f"There is no voice {voice!r}. {hint}")


def _some(voices: tuple[str, ...]) -> str:
    english = [name for name in voices if name.startswith("en")] or list(voices)
    return ", ".join(english[:3]) + (" …" if len(voices) > 3 else "")


def _check_answer(choice: ToolChoice | None, tools: tuple[Tool, ...], modalities: tuple[Modality, ...]) -> None:
    """Refuse a choice of tools that cannot be made, and two ways of answering at once."""
    names = [tool.name for tool in tools if isinstance(tool, FunctionTool)]
    if isinstance(choice, FunctionChoice) and choice.name not in names:
        raise InvalidInput(f"tool_choice names {choice.name!r}, and the tools are: {', '.join(names) or 'none'}.")
    if len(modalities) > 1:
        raise UnsupportedOperation("two output modalities at once", PROVIDER, "Audio comes with its transcript.")


def _check_item(item: m.Item, input_audio: AudioFormat) -> None:
    if isinstance(item, m.ItemReference):
        raise UnsupportedOperation("adding a reference", PROVIDER, "References are inputs of a response.")
    if not isinstance(item, m.MessageItem | m.FunctionCall | m.FunctionResult):
        raise UnsupportedOperation(f"items of type {type(item).__name__}", PROVIDER)
    if isinstance(item, m.MessageItem):
        _check_content(item.content, input_audio)


def _check_request(request: m.ResponseCreate, voices: tuple[str, ...], options: SessionOptions) -> None:
    _check_voice(request.voice, voices)
    tools = request.tools if request.tools is not None else options.tools
    choice = request.tool_choice if request.tool_choice is not None else options.tool_choice
    _check_answer(choice, tools or (), request.output_modalities or ())
    for item in request.items or ():
        if isinstance(item, m.ItemReference):
            continue
        _check_item(item, options.input_audio or PCM16_24K)
        if isinstance(item, m.MessageItem) and _clips(item.content):
            raise UnsupportedOperation(
                "audio without a transcript in the items of a response",
                PROVIDER,
                "Add the item to the conversation, and refer to it with an ItemReference.",
            )


def _check_history(options: SessionOptions) -> None:
    ids: set[str | None] = set()
    calls: set[str] = set()
    for item in options.history or ():
        _check_item(item, options.input_audio or PCM16_24K)
        if item.id is not None and item.id in ids:
            raise InvalidInput(f"Two items of the history have the id {item.id!r}.")
        if isinstance(item, m.FunctionCall):
            calls.add(item.call_id)
        elif isinstance(item, m.FunctionResult) and item.call_id not in calls:
            raise InvalidInput(f"The history holds a result of {item.call_id!r}, and no function call before it.")
        ids.add(item.id)


def _check_content(content: tuple[m.Content, ...], input_audio: AudioFormat) -> None:
    for part in content:
        if not isinstance(part, m.TextContent | m.AudioContent):
            raise UnsupportedOperation(f"parts of type {type(part).__name__}", PROVIDER, "Use text or audio.")
    for clip in _clips(content):
        format = clip.format or input_audio
        if not format.is_aligned(len(clip.audio or b"")):
            raise InvalidAudio(f"{len(clip.audio or b'')} bytes are no whole samples of {format}. Nothing was sent.")
    spoken = [part for part in content if isinstance(part, m.AudioContent)]
    if len(spoken) > 1 and _clips(content):
        raise UnsupportedOperation("several recordings in one item", PROVIDER, "Make an item of each.")


def _clips(content: tuple[m.Content, ...]) -> list[m.AudioContent]:
    """The recordings whose words are still to be found."""
    return [part for part in content if isinstance(part, m.AudioContent) and part.audio and not part.transcript]
