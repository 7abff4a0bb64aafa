"""Any options and items that a dialect of OpenAI's wire carries, as strategies for hypothesis."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import strategies as st

from duologue.capabilities import Capabilities
from duologue.content import AudioContent, ErrorDetail, ImageContent, TextContent
from duologue.formats import PCM16_8K, PCM16_16K, PCM16_24K, PCMA, PCMU, AudioFormat
from duologue.items import (
    FunctionCall,
    FunctionResult,
    Item,
    ItemReference,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpToolDescription,
    McpToolList,
    MessageItem,
)
from duologue.options import (
    OFF,
    FunctionChoice,
    McpChoice,
    NoiseReduction,
    PromptTemplate,
    SemanticTurnDetection,
    ServerTurnDetection,
    SessionOptions,
    Transcription,
)
from duologue.protocols.openai import (
    AZURE,
    AZURE_PREVIEW,
    LOCALAI,
    OPENAI,
    QWEN,
    SPEACHES,
    SPEECH_TO_SPEECH,
    VLLM_TRANSCRIPTION,
    VOICE_LIVE,
    XAI,
    Dialect,
)
from duologue.tools import FunctionTool, McpApprovalFilter, McpServerTool
from structs import NAMES, build

DIALECTS = (
    OPENAI,
    AZURE,
    AZURE_PREVIEW,
    VOICE_LIVE,
    XAI,
    QWEN,
    SPEACHES,
    LOCALAI,
    SPEECH_TO_SPEECH,
    VLLM_TRANSCRIPTION,
)

IDS = st.text("abc_123", min_size=1, max_size=8)
WORDS = st.text(max_size=8)
NOTHING = st.none()
NUMBERS = st.integers(0, 10_000)
SHARES = st.floats(0, 1)
FLAGS = st.booleans()
_NAMES = st.lists(NAMES, max_size=2, unique=True).map(tuple)

Fields = dict[str, st.SearchStrategy[Any]]


Made = TypeVar("Made")


def once_a_dialect(make: Callable[[Dialect], Made]) -> Callable[[Dialect], Made]:
    """Strategies are costly to make; a dialect is known by its provider."""
    made: dict[str, Made] = {}

    @functools.wraps(make)
    def cached(dialect: Dialect) -> Made:
        if dialect.provider not in made:
            made[dialect.provider] = make(dialect)
        return made[dialect.provider]

    return cached


def perhaps(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


# --- content and items ---

TEXT = st.builds(TextContent, text=WORDS)
SPEECH = st.builds(AudioContent, audio=perhaps(st.binary(max_size=8)), transcript=perhaps(WORDS))
CLIP = st.builds(AudioContent, audio=st.binary(max_size=8), transcript=perhaps(WORDS))
_DETAIL = st.sampled_from(["auto", "low", "high", None])
PICTURE = st.builds(ImageContent, url=st.just("https://x.test/a.png"), detail=_DETAIL) | st.builds(
    ImageContent, data=st.binary(max_size=8), media_type=st.sampled_from(["image/png", "image/jpeg"]), detail=_DETAIL
)
STATUSES = st.sampled_from([None, "in_progress", "completed", "incomplete"])
ERRORS = st.builds(ErrorDetail, message=WORDS, type=IDS, code=perhaps(IDS), param=perhaps(IDS))


def _message(role: str, parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    content = st.lists(parts, max_size=3).map(tuple)
    return st.builds(MessageItem, id=perhaps(IDS), status=STATUSES, role=st.just(role), content=content)


SYSTEM = _message("system", TEXT)
ASSISTANT = _message("assistant", TEXT)
SEEN_ASSISTANT = _message("assistant", TEXT | SPEECH)
USER = _message("user", TEXT | CLIP | PICTURE)
SEEN_USER = _message("user", TEXT | SPEECH | PICTURE)
CALLS = build(FunctionCall, id=perhaps(IDS))
RESULTS = build(FunctionResult, id=perhaps(IDS), name=NOTHING, is_error=st.just(False), scheduling=NOTHING)
_MCP_TOOL = st.builds(
    McpToolDescription,
    name=NAMES,
    input_schema=st.just({"type": "object"}),
    description=perhaps(WORDS),
    annotations=st.sampled_from([None, {"readOnlyHint": True}]),
)
_MCP_ERRORS = st.builds(
    ErrorDetail, message=WORDS, type=st.sampled_from(["protocol_error", "http_error"]), code=st.just("404")
) | st.builds(ErrorDetail, message=WORDS, type=st.just("tool_execution_error"))
MCP_LISTS = st.builds(
    McpToolList,
    id=perhaps(IDS),
    status=NOTHING,
    server_label=IDS,
    tools=st.lists(_MCP_TOOL, max_size=2).map(tuple),
)
MCP_CALLS = build(McpCall, id=IDS, status=NOTHING, error=perhaps(_MCP_ERRORS))
MCP_REQUESTS = build(McpApprovalRequest, id=IDS, status=NOTHING)
MCP_ANSWERS = build(McpApprovalResponse, id=IDS, status=NOTHING)
REFERENCES = st.builds(ItemReference, id=IDS)


@once_a_dialect
def sent_items(dialect: Dialect) -> st.SearchStrategy[Item]:
    """Items that a client may add to the conversation."""
    if dialect.added_items == "function results":
        return RESULTS
    if not dialect.capabilities.hosted_mcp or dialect.added_items == "messages and calls":
        return st.one_of(SYSTEM, ASSISTANT, CALLS, RESULTS, USER)
    return st.one_of(SYSTEM, ASSISTANT, CALLS, RESULTS, USER, MCP_LISTS, MCP_CALLS, MCP_REQUESTS)


TOLD_ITEMS = st.one_of(
    SYSTEM, SEEN_ASSISTANT, SEEN_USER, CALLS, RESULTS, MCP_LISTS, MCP_CALLS, MCP_REQUESTS, MCP_ANSWERS
)

# --- tools ---

FUNCTIONS = st.builds(
    FunctionTool,
    name=NAMES,
    description=WORDS,
    parameters=st.just({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}),
)
_FILTERS = st.builds(McpApprovalFilter, always=_NAMES).filter(lambda it: it.always) | st.builds(
    McpApprovalFilter, always=st.just(("a",)), never=st.just(("b",))
)
_SERVER: Fields = {
    "server_label": NAMES,
    "authorization": st.sampled_from([None, "token"]),
    "headers": st.sampled_from([{}, {"X-Key": "value"}]),
    "allowed_tools": perhaps(_NAMES),
    "require_approval": st.sampled_from([None, "always", "never"]) | _FILTERS,
}
_MORE: Fields = {
    "read_only": perhaps(FLAGS),
    "server_description": perhaps(WORDS),
    "defer_loading": perhaps(FLAGS),
}
SERVERS_AT_ADDRESSES = st.builds(McpServerTool, server_url=st.just("https://mcp.test"), **_SERVER)
SERVERS = st.one_of(
    st.builds(McpServerTool, server_url=st.just("https://mcp.test"), **_SERVER, **_MORE),
    st.builds(McpServerTool, connector_id=st.just("connector_gmail"), **_SERVER, **_MORE),
    st.builds(McpServerTool, tunnel_id=IDS, **_SERVER, **_MORE),
)


def _tools(dialect: Dialect) -> st.SearchStrategy[Any]:
    kinds: st.SearchStrategy[Any] = FUNCTIONS
    if dialect.capabilities.hosted_mcp:
        kinds = kinds | (SERVERS_AT_ADDRESSES if dialect is VOICE_LIVE else SERVERS)
    return st.lists(kinds, max_size=3, unique_by=lambda tool: getattr(tool, "name", id(tool))).map(tuple)


def _tool_choices(can: Capabilities) -> st.SearchStrategy[Any]:
    named: Fields = {
        "function": st.builds(FunctionChoice, NAMES),
        "mcp": st.builds(McpChoice, NAMES, perhaps(NAMES)),
    }
    return st.one_of(*(named.get(choice, st.just(choice)) for choice in sorted(can.tool_choices)))


# --- options ---

PROMPTS = st.builds(PromptTemplate, id=IDS, version=perhaps(IDS), variables=st.dictionaries(NAMES, WORDS, max_size=2))
LIMITS = st.just("unlimited") | st.integers(1, 4_096)
EFFORTS = st.sampled_from(["minimal", "low", "medium", "high", "xhigh"])
PAIRS = st.dictionaries(NAMES, WORDS, max_size=2)


def formats(formats: frozenset[AudioFormat] | None) -> st.SearchStrategy[Any]:
    known = formats if formats is not None else {PCM16_8K, PCM16_16K, PCM16_24K, PCMU, PCMA}
    return st.sampled_from(sorted(known, key=str)) if known else NOTHING


def modalities(can: Capabilities) -> st.SearchStrategy[Any]:
    return st.sampled_from([(name,) for name in sorted(can.output_modalities)]) if can.output_modalities else NOTHING


def _tuned(dialect: Dialect, name: str, fields: Fields) -> Fields:
    """Those parts of an option that the dialect knows."""
    return {part: values for part, values in fields.items() if f"{name}.{part}" not in dialect.lacks}


def _turn_detections(can: Capabilities) -> st.SearchStrategy[Any]:
    tuning: Fields = {
        "threshold": perhaps(SHARES),
        "prefix_padding_ms": perhaps(NUMBERS),
        "silence_ms": perhaps(NUMBERS),
        "idle_timeout_ms": perhaps(NUMBERS),
    }
    eagerness = st.sampled_from([None, "low", "medium", "high", "auto"])
    answers: Fields = {"create_response": perhaps(FLAGS), "interrupt_response": perhaps(FLAGS)}
    takes = can.turn_detection_tuning
    kinds: Fields = {
        "server": st.builds(
            ServerTurnDetection, **answers, **{name: tuned for name, tuned in tuning.items() if name in takes}
        ),
        "semantic": st.builds(
            SemanticTurnDetection, **answers, eagerness=eagerness if "eagerness" in takes else NOTHING
        ),
        "off": st.just(OFF),
    }
    return st.one_of(*(kinds[kind] for kind in sorted(can.turn_detections)))


def _transcriptions(dialect: Dialect) -> st.SearchStrategy[Any]:
    delays = st.sampled_from([None, "minimal", "low", "medium", "high", "xhigh"])
    some = perhaps(st.lists(IDS, min_size=1, max_size=2).map(tuple))
    fields: Fields = {
        "model": IDS,
        "language": perhaps(IDS),
        "languages": some,
        "prompt": perhaps(WORDS),
        "keywords": some,
        "delay": delays,
    }
    return st.builds(Transcription, **_tuned(dialect, "transcription", fields)) | st.just(OFF)


def _noise_reductions(dialect: Dialect) -> st.SearchStrategy[Any]:
    kinds = st.sampled_from(["near_field", "far_field"])
    fields: Fields = {"kind": kinds, "strength": perhaps(SHARES)}
    return st.builds(NoiseReduction, **_tuned(dialect, "noise_reduction", fields)) | st.just(OFF)


@once_a_dialect
def option_values(dialect: Dialect) -> Fields:
    """Values of every option that the dialect's session object carries."""
    can = dialect.capabilities
    values: Fields = {
        "instructions": WORDS,
        "voice": IDS,
        "speed": st.floats(0.25, 1.5),
        "input_audio": formats(can.input_formats),
        "output_audio": formats(can.output_formats),
        "output_modalities": modalities(can),
        "transcription": _transcriptions(dialect),
        "noise_reduction": _noise_reductions(dialect),
        "turn_detection": _turn_detections(can),
        "tools": _tools(dialect),
        "tool_choice": _tool_choices(can) if can.tool_choices else NOTHING,
        "parallel_tool_calls": FLAGS,
        "max_output_tokens": LIMITS,
        "temperature": st.floats(0, 2),
        "reasoning_effort": EFFORTS,
        "include": st.just(("item.input_audio_transcription.logprobs",)),
        "prompt": PROMPTS,
        "metadata": PAIRS,
    }
    if dialect.session_type:
        values["kind"] = st.just("conversation")
    if dialect.model_beside_session:
        return {"model": IDS}
    return {name: value for name, value in values.items() if name in can.options}


@once_a_dialect
def options(dialect: Dialect) -> st.SearchStrategy[SessionOptions]:
    """Any options that the dialect's session object carries whole."""
    values = option_values(dialect)
    always = {"kind": values["kind"]} if "kind" in values else {}
    return st.builds(SessionOptions, **{name: perhaps(value) for name, value in values.items()} | always)


TRANSCRIPTION_OPTIONS = ("input_audio", "transcription", "noise_reduction", "turn_detection", "include")


@once_a_dialect
def transcription_options(dialect: Dialect) -> st.SearchStrategy[SessionOptions]:
    """Any options of a transcription session."""
    values = {name: perhaps(option_values(dialect)[name]) for name in TRANSCRIPTION_OPTIONS}
    return st.builds(SessionOptions, kind=st.just("transcription"), **values)
