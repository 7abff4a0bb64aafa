"""The response object of ``response.create``, to and from the wire."""

from __future__ import annotations

from typing import Any

from duologue import messages as m
from duologue.formats import PCM16_24K
from duologue.protocols.json_values import (
    JsonObject,
    as_bool,
    as_object,
    as_objects,
    as_text,
    overlaid,
    put,
    text_map,
)
from duologue.protocols.openai.audio_formats import flat_format, read_format, write_format
from duologue.protocols.openai.dialect import Dialect
from duologue.protocols.openai.items import read_item, write_added_item
from duologue.protocols.openai.session_reading import read_max_tokens, read_modalities, read_prompt, read_voice
from duologue.protocols.openai.session_writing import (
    put_reasoning,
    write_max_tokens,
    write_modalities,
    write_prompt,
    write_voice,
)
from duologue.protocols.openai.tools import read_tool_choice, read_tools, write_tool, write_tool_choice

_READ = frozenset(
    {
        "conversation",
        "input",
        "input_items",
        "instructions",
        "audio",
        "output_audio_format",
        "voice",
        "output_modalities",
        "modalities",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "max_output_tokens",
        "max_response_output_tokens",
        "reasoning",
        "reasoning_effort",
        "prompt",
        "metadata",
    }
)


def write_request(request: m.ResponseCreate, dialect: Dialect) -> JsonObject:
    """The response object for `request`: only what it states.

    `ResponseCreate.extra` is laid over it: objects are merged, at any depth, and where both state a value that of
    `extra` goes out.
    """
    written: JsonObject = {}
    if request.out_of_band:
        written["conversation"] = "none"
    if request.items is not None:
        written[dialect.input_items] = [write_added_item(item, dialect) for item in request.items]
    put(written, "instructions", request.instructions)
    put(written, dialect.modalities_field, write_modalities(request.output_modalities, dialect))
    _put_audio(written, request, dialect)
    if request.tools is not None:
        written["tools"] = [write_tool(tool, dialect) for tool in request.tools]
    if request.tool_choice is not None:
        written["tool_choice"] = write_tool_choice(request.tool_choice, dialect)
    put(written, "parallel_tool_calls", request.parallel_tool_calls)
    put(written, "max_output_tokens", write_max_tokens(request.max_output_tokens))
    put_reasoning(written, request.reasoning_effort, dialect)
    put(written, "prompt", write_prompt(request.prompt))
    put(written, "metadata", request.metadata)
    return overlaid(written, request.extra)


def _put_audio(written: JsonObject, request: m.ResponseCreate, dialect: Dialect) -> None:
    audio = request.output_audio
    if dialect.session_layout == "flat":
        put(written, "voice", write_voice(request.voice, dialect))
        put(written, "output_audio_format", None if audio is None else flat_format(audio, dialect))
        return
    output: JsonObject = {}
    put(output, "format", None if audio is None else write_format(audio))
    put(output, "voice", write_voice(request.voice, dialect))
    if output:
        written["audio"] = {"output": output}


def read_request(response: JsonObject | None, event_id: str | None) -> m.ResponseCreate:
    """The request that a client makes. It is to go out at once: waiting is the client's own affair."""
    response = response or {}
    output = as_object(as_object(response.get("audio")).get("output"))
    items: Any = response.get("input", response.get("input_items"))
    tokens = response.get("max_output_tokens", response.get("max_response_output_tokens"))
    effort = response.get("reasoning_effort", as_object(response.get("reasoning")).get("effort"))
    return m.ResponseCreate(
        id=event_id,
        when="now",
        out_of_band=response.get("conversation") == "none",
        items=tuple(read_item(item) for item in as_objects(items)) if isinstance(items, list) else None,
        instructions=as_text(response.get("instructions")),
        output_audio=read_format(output.get("format", response.get("output_audio_format")), bare_pcm=PCM16_24K),
        voice=read_voice(output.get("voice", response.get("voice"))),
        output_modalities=read_modalities(response.get("output_modalities", response.get("modalities"))),
        tools=read_tools(response["tools"]) if isinstance(response.get("tools"), list) else None,
        tool_choice=read_tool_choice(response.get("tool_choice")),
        parallel_tool_calls=as_bool(response.get("parallel_tool_calls")),
        max_output_tokens=read_max_tokens(tokens),
        reasoning_effort=as_text(effort),
        prompt=read_prompt(response.get("prompt")),
        metadata=text_map(response.get("metadata")),
        extra={name: value for name, value in response.items() if name not in _READ},
    )
