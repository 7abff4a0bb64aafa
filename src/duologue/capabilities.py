"""What a provider, with one model, can do; and the checks that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from duologue import messages as m
from duologue.errors import UnsupportedOperation
from duologue.formats import PCM16_24K, AudioFormat
from duologue.items import Item
from duologue.options import (
    OFF,
    FunctionChoice,
    Modality,
    Off,
    SemanticTurnDetection,
    ServerTurnDetection,
    SessionOptions,
    ToolChoice,
    Transcription,
    TurnDetection,
)
from duologue.tools import McpServerTool, Tool

ALL_OPTIONS = frozenset(SessionOptions.__struct_fields__)

_ALWAYS_TAKEN = frozenset({"unsupported", "extra", "raw_factory", "kind", "model", "input_audio", "output_audio"})
_FREELY_CHANGED = frozenset({"unsupported", "extra", "raw_factory"})
_TUNING = frozenset({"threshold", "prefix_padding_ms", "silence_ms", "idle_timeout_ms", "eagerness"})
# A session without these is still the one that was asked for.
_PREFERENCES = frozenset({"voice", "speed", "noise_reduction", "temperature"}) | {
    f"turn_detection.{name}" for name in _TUNING - {"idle_timeout_ms"}
}


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a session can do. False always means: asking for it raises `UnsupportedOperation`.

    Attributes:
        turn_owner: Who decides when a turn of the user is over, unless options say otherwise.
        options: The names of the options that the provider takes at all.
        mutable_options: Those that `SessionUpdate` can change.
        session_kinds: Values of `SessionOptions.kind`.
        turn_detections: ``"server"``, ``"semantic"``, ``"off"``.
        turn_detection_tuning: The numbers and degrees of turn detection that it takes, by name.
        input_formats: Formats that it takes; None: any.
        output_formats: Formats that it gives; None: any.
        output_modalities: ``"audio"``, ``"text"``.
        text_input: Messages that the user writes (`ItemCreate` of a `MessageItem`).
        images: Pictures in items.
        video: A stream of pictures (`InputImageAppend`).
        manual_turns: `UserTurnStart`, `UserTurnEnd`, `InputAudioCommit`.
        input_clear: `InputAudioClear`.
        explicit_response: `ResponseCreate`.
        continues_after_tool_results: It goes on by itself when it has the results of all calls.
        out_of_band: Responses beside the conversation.
        response_options: The fields of `ResponseCreate` that it takes.
        cancel: `ResponseCancel`.
        truncate: `ItemTruncate`.
        delete: `ItemDelete`.
        retrieve: `ItemRetrieve`.
        insert_position: `ItemCreate.previous_item_id`.
        tracks_playback: The server plays the audio itself and knows what was heard (WebRTC, telephony).
        tool_choices: Values of `tool_choice`; ``"function"`` and ``"mcp"`` stand for one function, one MCP tool.
        tool_scheduling: A result can say when the model shall speak of it.
        tool_cancellation: It can take calls back.
        hosted_mcp: `McpServerTool`.
        input_transcripts: Transcripts of the user: never, on request, or always.
        output_transcripts: Transcripts of the model's speech: never, on request, or always.
        speech_events: `InputSpeechStarted`, `InputSpeechStopped`.
        metadata: `ResponseCreate.metadata`.
        seeding: `SessionOptions.history`.
        say: How closely `Say` is followed.
        resumption: `SessionOptions.resume`.
        max_session_seconds: The provider's cap, in s; None: none is known.
    """

    turn_owner: Literal["server", "client", "model"] = "server"
    options: frozenset[str] = ALL_OPTIONS
    mutable_options: frozenset[str] = frozenset()
    session_kinds: frozenset[str] = frozenset({"conversation"})
    turn_detections: frozenset[str] = frozenset({"server"})
    turn_detection_tuning: frozenset[str] = _TUNING
    input_formats: frozenset[AudioFormat] | None = frozenset({PCM16_24K})
    output_formats: frozenset[AudioFormat] | None = frozenset({PCM16_24K})
    output_modalities: frozenset[str] = frozenset({"audio"})
    text_input: bool = True
    images: bool = False
    video: bool = False
    manual_turns: bool = False
    input_clear: bool = False
    explicit_response: bool = False
    continues_after_tool_results: bool = False
    out_of_band: bool = False
    response_options: frozenset[str] = frozenset()
    cancel: bool = False
    truncate: bool = False
    delete: bool = False
    retrieve: bool = False
    insert_position: bool = False
    tracks_playback: bool = False
    tool_choices: frozenset[str] = frozenset({"auto"})
    tool_scheduling: bool = False
    tool_cancellation: bool = False
    hosted_mcp: bool = False
    input_transcripts: Literal["never", "on request", "always"] = "never"
    output_transcripts: Literal["never", "on request", "always"] = "never"
    speech_events: bool = False
    metadata: bool = False
    seeding: bool = False
    say: Literal["exact", "approximate", "none"] = "none"
    resumption: bool = False
    max_session_seconds: float | None = None


class Problem(msgspec.Struct, frozen=True):
    """One thing that a provider cannot do."""

    option: str
    operation: str
    way_out: str = ""

    @property
    def is_preference(self) -> bool:
        """Whether a session without it is still the one that was asked for."""
        return self.option in _PREFERENCES


def check_options(options: SessionOptions, can: Capabilities, provider: str) -> tuple[SessionOptions, tuple[str, ...]]:
    """The options that `provider` can carry, and the names of the preferences that were dropped.

    Raises:
        UnsupportedOperation: Something cannot be carried, and it is no preference or `options.unsupported` is not
            ``"drop"``.
    """
    dropped: list[str] = []
    for problem in _problems(options, can):
        if options.unsupported != "drop" or not problem.is_preference:
            raise UnsupportedOperation(problem.operation, provider, problem.way_out)
        dropped.append(problem.option)
    for name in dropped:
        whole, _, part = name.partition(".")
        left = msgspec.structs.replace(getattr(options, whole), **{part: None}) if part else None
        options = msgspec.structs.replace(options, **{whole: left})
    return options, tuple(dropped)


def check_update(changes: SessionOptions, can: Capabilities, provider: str) -> None:
    """Raise `UnsupportedOperation` for what a running session of `provider` cannot change."""
    free = _FREELY_CHANGED if can.mutable_options else {"unsupported"}
    fixed = [name for name in changes.stated() if name not in can.mutable_options and name not in free]
    if fixed:
        way_out = "Open a new session with it." if can.mutable_options else "Open a new session instead."
        if can.resumption:
            way_out += " The Reconnection middleware can do that, and go on with the conversation."
        raise UnsupportedOperation(f"changing {', '.join(fixed)} in a running session", provider, way_out)
    for problem in _problems(changes, can):
        raise UnsupportedOperation(problem.operation, provider, problem.way_out)


def _problems(options: SessionOptions, can: Capabilities) -> list[Problem]:
    found = [
        Problem(name, f"the option {name}", _WAYS_OUT.get(name, ""))
        for name in options.stated()
        if name not in can.options and name not in _ALWAYS_TAKEN and not _is_nothing(name, getattr(options, name))
    ]
    found += _format_problems("input_audio", options.input_audio, can.input_formats)
    found += _format_problems("output_audio", options.output_audio, can.output_formats)
    if options.kind is not None and options.kind not in can.session_kinds:
        found.append(Problem("kind", f"sessions of kind {options.kind!r}", f"It has: {_names(can.session_kinds)}."))
    found += _modality_problems(options.output_modalities, can)
    found += _input_problems(options, can)
    found += _tool_problems(options.tools, options.tool_choice, can)
    return found + _history_problems(options, can)


def _is_nothing(name: str, value: object) -> bool:
    """Whether it is easy to have: a provider that has no such thing has it switched off."""
    return name != "turn_detection" and (value is OFF or value == ())


def _format_problems(name: str, audio: AudioFormat | None, formats: frozenset[AudioFormat] | None) -> list[Problem]:
    if audio is None or formats is None or audio in formats:
        return []
    known = ", ".join(sorted(map(str, formats))) or "none"
    way_out = f"Use with_middleware(AudioConversion()) to convert, or one of: {known}."
    return [Problem(name, f"{name} as {audio}", way_out)]


def _modality_problems(modalities: tuple[Modality, ...] | None, can: Capabilities) -> list[Problem]:
    way_out = f"It has: {_names(can.output_modalities)}."
    return [
        Problem("output_modalities", f"{modality} output", way_out)
        for modality in modalities or ()
        if modality not in can.output_modalities
    ]


def _input_problems(options: SessionOptions, can: Capabilities) -> list[Problem]:
    found = []
    if isinstance(options.transcription, Transcription) and can.input_transcripts == "never":
        found.append(Problem("transcription", "transcripts of the user", "Leave transcription out."))
    if options.transcription is OFF and can.input_transcripts == "always":
        found.append(Problem("transcription", "sessions without transcripts of the user", "Ignore them."))
    detection = options.turn_detection
    if detection is None or "turn_detection" not in can.options:
        return found
    kind = _turn_detection_name(detection)
    if kind not in can.turn_detections:
        way_out = f"It has: {_names(can.turn_detections)}."
        found.append(Problem("turn_detection", f"{kind!r} turn detection", way_out))
    way_out = f"It takes: {_names(can.turn_detection_tuning)}."
    found += [
        Problem(f"turn_detection.{name}", f"{name} of turn detection", way_out)
        for name in sorted(_TUNING - can.turn_detection_tuning)
        if getattr(detection, name, None) is not None
    ]
    return found


def _history_problems(options: SessionOptions, can: Capabilities) -> list[Problem]:
    found = []
    if options.history and not can.seeding:
        found.append(Problem("history", "sessions that begin with a history", _WAYS_OUT["history"]))
    if _has_image(options.history) and not can.images:
        found.append(Problem("history", *_NO_IMAGES))
    if options.resume is not None and not can.resumption:
        found.append(Problem("resume", "taking up an earlier session", _WAYS_OUT["resume"]))
    return found


def _has_image(items: tuple[Item, ...] | None) -> bool:
    return any(
        isinstance(part, m.ImageContent)
        for item in items or ()
        if isinstance(item, m.MessageItem)
        for part in item.content
    )


def _tool_problems(tools: tuple[Tool, ...] | None, choice: ToolChoice | None, can: Capabilities) -> list[Problem]:
    found = []
    if not can.hosted_mcp and any(isinstance(tool, McpServerTool) for tool in tools or ()):
        way_out = "Run the MCP server's tools in the application, as function tools."
        found.append(Problem("tools", "MCP servers of its own", way_out))
    if choice is not None:
        named = choice if isinstance(choice, str) else "function" if isinstance(choice, FunctionChoice) else "mcp"
        if named not in can.tool_choices:
            way_out = f"It has: {_names(can.tool_choices)}."
            found.append(Problem("tool_choice", f"tool_choice {named!r}", way_out))
    return found


def _turn_detection_name(detection: TurnDetection | Off) -> str:
    match detection:
        case ServerTurnDetection():
            return "server"
        case SemanticTurnDetection():
            return "semantic"
        case _:
            return "off"


def _names(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"


_NO_IMAGES = ("images", "Describe the picture in text, or use a provider that sees.")
_WAYS_OUT = {
    "history": "Send the items after the session has opened.",
    "resume": "Open a new session with history.",
    "temperature": 'Leave it out, or pass unsupported="drop".',
    "prompt": "Put the text into instructions.",
}


def check_message(message: m.ClientMessage, can: Capabilities, provider: str) -> None:
    """Raise `UnsupportedOperation` when `provider` has no way to do what `message` asks for."""
    if isinstance(message, m.SessionUpdate):
        check_update(message.options, can, provider)
    rule = _RULES.get(type(message))
    if rule is None:
        return
    problem = rule(message, can)
    if problem is not None:
        operation, way_out = problem
        raise UnsupportedOperation(operation, provider, way_out)


Finding = tuple[str, str] | None


def _flag(flag: str, operation: str, way_out: str) -> Callable[[m.ClientMessage, Capabilities], Finding]:
    def rule(message: m.ClientMessage, can: Capabilities) -> Finding:
        return None if getattr(can, flag) else (operation, way_out)

    return rule


def _item_create(message: m.ClientMessage, can: Capabilities) -> Finding:
    assert isinstance(message, m.ItemCreate)
    if message.previous_item_id is not None and not can.insert_position:
        return "adding an item anywhere but at the end", "Leave previous_item_id out."
    if isinstance(message.item, m.MessageItem) and not can.text_input:
        return "messages in writing", "Send what the user says, as audio."
    if isinstance(message.item, m.FunctionResult) and message.item.scheduling is not None and not can.tool_scheduling:
        return "saying when the model shall speak of a result", "Leave scheduling out."
    return _NO_IMAGES if _has_image((message.item,)) and not can.images else None


def _response_create(message: m.ClientMessage, can: Capabilities) -> Finding:
    assert isinstance(message, m.ResponseCreate)
    if not can.explicit_response:
        return (
            "asking for a response",
            "It answers the user's turns by itself, if it answers at all; add the item without asking (respond=False).",
        )
    if message.out_of_band and not can.out_of_band:
        return "out-of-band responses", "Use a second session for it."
    if message.metadata is not None and not can.metadata:
        return "metadata of a response", "Leave it out; tell responses apart by their order."
    lacking = [name for name in message.overrides() if name not in can.response_options and name != "metadata"]
    if lacking:
        return f"{', '.join(lacking)} for a single response", "Change the session's options instead."
    if _has_image(message.items) and not can.images:
        return _NO_IMAGES
    problems = [
        *_format_problems("output_audio", message.output_audio, can.output_formats),
        *_modality_problems(message.output_modalities, can),
        *_tool_problems(message.tools, message.tool_choice, can),
    ]
    return (problems[0].operation, problems[0].way_out) if problems else None


def _say(message: m.ClientMessage, can: Capabilities) -> Finding:
    return ("saying a given text", "Ask for it in instructions.") if can.say == "none" else None


_NO_MANUAL_TURNS = _flag("manual_turns", "turns marked by the application", "Its turn detection finds the turns.")

_RULES: Mapping[type, Callable[[m.ClientMessage, Capabilities], Finding]] = {
    m.InputAudioCommit: _NO_MANUAL_TURNS,
    m.UserTurnStart: _NO_MANUAL_TURNS,
    m.UserTurnEnd: _NO_MANUAL_TURNS,
    m.InputAudioClear: _flag("input_clear", "clearing the input buffer", "Send InputAudioEnd to close the segment."),
    m.InputImageAppend: _flag("video", "a stream of images", "Send single pictures as items, if it takes images."),
    m.ItemCreate: _item_create,
    m.ItemDelete: _flag("delete", "deleting an item", "Open a new session with the history that you want."),
    m.ItemRetrieve: _flag("retrieve", "retrieving an item", "Keep a duologue.Conversation on this side."),
    m.ItemTruncate: _flag("truncate", "truncating an item", "Nothing is needed: it keeps what it has sent."),
    m.ResponseCreate: _response_create,
    m.ResponseCancel: _flag("cancel", "cancelling a response", "Stop playing; the rest can be ignored."),
    m.Say: _say,
    m.FunctionCallApproval: _flag("hosted_mcp", "approving calls", "Only the MCP servers of a provider ask for it."),
}
