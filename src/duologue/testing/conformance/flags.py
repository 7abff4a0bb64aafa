"""A capability that is false means exactly this: asking for it raises `UnsupportedOperation`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.client import RealtimeClient
from duologue.errors import SessionEnded, UnsupportedOperation
from duologue.formats import PCM16_8K, PCM16_16K, PCM16_24K, PCM16_48K, PCMA, PCMU, AudioFormat
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
from duologue.session import RealtimeSession
from duologue.testing.conformance.harness import GET_WEATHER, Harness
from duologue.testing.conformance.talk import need, opened
from duologue.tools import McpServerTool

IMAGE = m.ImageContent(data=b"\x89PNG\r\n\x1a\n")
MCP = McpServerTool(server_label="files", server_url="https://example.org/mcp")

MESSAGES: dict[str, tuple[m.ClientMessage, ...]] = {
    "text_input": (m.ItemCreate(item=m.MessageItem.user("Hello.")),),
    "tool_scheduling": (
        m.ItemCreate(item=m.FunctionResult(call_id="call_of_the_test", output="{}", scheduling="silent")),
    ),
    "images": (m.ItemCreate(item=m.MessageItem.image(IMAGE)),),
    "video": (m.InputImageAppend(image=IMAGE),),
    "manual_turns": (m.UserTurnStart(), m.UserTurnEnd(respond=False), m.InputAudioCommit()),
    "input_clear": (m.InputAudioClear(),),
    "explicit_response": (m.ResponseCreate(),),
    "out_of_band": (m.ResponseCreate(out_of_band=True),),
    "cancel": (m.ResponseCancel(),),
    "truncate": (m.ItemTruncate(item_id="item_of_the_test", audio_end_ms=0),),
    "delete": (m.ItemDelete(item_id="item_of_the_test"),),
    "retrieve": (m.ItemRetrieve(item_id="item_of_the_test"),),
    "insert_position": (m.ItemCreate(item=m.MessageItem.user("Hello."), previous_item_id="root"),),
    "metadata": (m.ResponseCreate(metadata={"a": "1"}),),
}
"""What asks for a capability that is true or false."""

REQUESTS: dict[str, m.ResponseCreate] = {
    "items": m.ResponseCreate(items=(m.MessageItem.user("Hello."),)),
    "instructions": m.ResponseCreate(instructions="Be brief."),
    "output_audio": m.ResponseCreate(output_audio=PCM16_24K),
    "voice": m.ResponseCreate(voice="alloy"),
    "output_modalities": m.ResponseCreate(output_modalities=("audio",)),
    "tools": m.ResponseCreate(tools=(GET_WEATHER,)),
    "tool_choice": m.ResponseCreate(tool_choice="none"),
    "parallel_tool_calls": m.ResponseCreate(parallel_tool_calls=False),
    "max_output_tokens": m.ResponseCreate(max_output_tokens=100),
    "reasoning_effort": m.ResponseCreate(reasoning_effort="low"),
    "prompt": m.ResponseCreate(prompt=PromptTemplate(id="prompt_of_the_test")),
}
"""What asks for one of `Capabilities.response_options`."""

OPTIONS: dict[str, SessionOptions] = {
    "instructions": SessionOptions(instructions="Be brief."),
    "voice": SessionOptions(voice="alloy"),
    "speed": SessionOptions(speed=1.25),
    "transcription": SessionOptions(transcription=Transcription()),
    "noise_reduction": SessionOptions(noise_reduction=NoiseReduction()),
    "tools": SessionOptions(tools=(GET_WEATHER,)),
    "tool_choice": SessionOptions(tool_choice="auto"),
    "parallel_tool_calls": SessionOptions(parallel_tool_calls=False),
    "max_output_tokens": SessionOptions(max_output_tokens=100),
    "temperature": SessionOptions(temperature=0.8),
    "reasoning_effort": SessionOptions(reasoning_effort="low"),
    "include": SessionOptions(include=("item.input_audio_transcription.logprobs",)),
    "prompt": SessionOptions(prompt=PromptTemplate(id="prompt_of_the_test")),
    "metadata": SessionOptions(metadata={"a": "1"}),
    "history": SessionOptions(history=(m.MessageItem.user("Hello."),)),
    "resume": SessionOptions(resume="handle_of_the_test"),
}
"""What asks for one of `Capabilities.options`."""

VALUES: dict[str, dict[str, SessionOptions]] = {
    "session_kinds": {
        "conversation": SessionOptions(kind="conversation"),
        "transcription": SessionOptions(kind="transcription"),
        "translation": SessionOptions(kind="translation"),
    },
    "turn_detections": {
        "server": SessionOptions(turn_detection=ServerTurnDetection()),
        "semantic": SessionOptions(turn_detection=SemanticTurnDetection()),
        "off": SessionOptions(turn_detection=OFF),
    },
    "output_modalities": {
        "audio": SessionOptions(output_modalities=("audio",)),
        "text": SessionOptions(output_modalities=("text",)),
    },
    "tool_choices": {
        "auto": SessionOptions(tool_choice="auto"),
        "none": SessionOptions(tool_choice="none"),
        "required": SessionOptions(tools=(GET_WEATHER,), tool_choice="required"),
        "function": SessionOptions(tools=(GET_WEATHER,), tool_choice=FunctionChoice("get_weather")),
        "mcp": SessionOptions(tools=(MCP,), tool_choice=McpChoice("files")),
    },
}
"""What asks for one value of a capability that is a set of values."""

TUNING: dict[str, SessionOptions] = {
    "threshold": SessionOptions(turn_detection=ServerTurnDetection(threshold=0.6)),
    "prefix_padding_ms": SessionOptions(turn_detection=ServerTurnDetection(prefix_padding_ms=200)),
    "silence_ms": SessionOptions(turn_detection=ServerTurnDetection(silence_ms=700)),
    "idle_timeout_ms": SessionOptions(turn_detection=ServerTurnDetection(idle_timeout_ms=10_000)),
    "eagerness": SessionOptions(turn_detection=SemanticTurnDetection(eagerness="low")),
}
"""What asks for one of `Capabilities.turn_detection_tuning`."""

FORMATS = (PCM16_8K, PCM16_16K, PCM16_24K, PCM16_48K, PCMU, PCMA, AudioFormat("pcm16", 11_025))

TOLD_ONLY = frozenset(
    {
        "turn_owner",
        "continues_after_tool_results",
        "tracks_playback",
        "tool_cancellation",
        "output_transcripts",
        "speech_events",
        "max_session_seconds",
    }
)
"""Capabilities that nobody asks for: they tell how a session behaves, and the other subjects go by them."""

ASKED_ELSEWHERE = frozenset(
    {
        "options",
        "mutable_options",
        "turn_detection_tuning",
        "input_transcripts",
        "input_formats",
        "output_formats",
        "response_options",
        "hosted_mcp",
        "seeding",
        "say",
        "resumption",
    }
)


class FlagTests:
    """Every field of `Capabilities`, for every kind of session."""

    @pytest.fixture(params=["conversation", "transcription", "translation"])
    def kind(self, request: pytest.FixtureRequest) -> SessionOptions:
        """A kind of session."""
        return SessionOptions(kind=request.param)

    async def test_no_capability_is_forgotten(self) -> None:
        known = TOLD_ONLY | ASKED_ELSEWHERE | MESSAGES.keys() | VALUES.keys()
        assert known == set(Capabilities.__struct_fields__)

    @pytest.mark.parametrize("flag", MESSAGES)
    async def test_a_flag_means_what_it_says(self, harness: Harness, kind: SessionOptions, flag: str) -> None:
        for message in MESSAGES[flag]:
            options = kind.merged(SessionOptions(turn_detection=OFF)) if flag == "manual_turns" else kind
            async with _session(harness, options, without=message) as session:
                can = session.capabilities
                if flag in ("images", "insert_position"):
                    need(can.text_input, "way to be written to")
                if isinstance(message, m.ResponseCreate) and flag != "explicit_response":
                    need(can.explicit_response, "answer that is asked for")
                await _agrees(getattr(can, flag), lambda: session.send(message), flag)  # noqa: B023

    async def test_saying_means_what_it_says(self, harness: Harness, kind: SessionOptions) -> None:
        async with _session(harness, kind) as session:
            await _agrees(session.capabilities.say != "none", lambda: session.say("Hello."), "say")

    @pytest.mark.parametrize("name", REQUESTS)
    async def test_response_options_are_those(self, harness: Harness, kind: SessionOptions, name: str) -> None:
        async with _session(harness, kind) as session:
            need(session.capabilities.explicit_response, "answer that is asked for")
            taken = name in session.capabilities.response_options
            await _agrees(taken, lambda: session.respond(REQUESTS[name]), name)

    @pytest.mark.parametrize("name", OPTIONS)
    async def test_options_are_those(self, harness: Harness, kind: SessionOptions, name: str) -> None:
        async with _client(harness, kind) as (client, can):
            taken = name in can.options
            if name == "history":
                assert can.seeding == taken
            if name == "resume":
                assert can.resumption == taken
            if name == "transcription" and can.input_transcripts != "always":
                assert taken == (can.input_transcripts == "on request")
            wanted = harness.options.merged(kind).merged(OPTIONS[name])
            await _agrees(taken, lambda: _open_and_close(client, wanted), name)

    @pytest.mark.parametrize("name", TUNING)
    async def test_turn_detection_can_be_tuned_so_far(self, harness: Harness, name: str) -> None:
        async with _client(harness, SessionOptions()) as (client, can):
            kind = "semantic" if name == "eagerness" else "server"
            need(kind in can.turn_detections and "turn_detection" in can.options, f"{kind} turn detection")
            wanted = harness.options.merged(TUNING[name])
            await _agrees(name in can.turn_detection_tuning, lambda: _open_and_close(client, wanted), name)

    async def test_transcripts_can_be_switched_off_or_not(self, harness: Harness) -> None:
        async with _client(harness, SessionOptions()) as (client, can):
            wanted = harness.options.merged(SessionOptions(transcription=OFF))
            taken = can.input_transcripts != "always"
            await _agrees(taken, lambda: _open_and_close(client, wanted), "transcription=OFF")

    @pytest.mark.parametrize("name", OPTIONS)
    async def test_options_can_change_or_not(self, harness: Harness, kind: SessionOptions, name: str) -> None:
        async with _session(harness, kind) as session:
            can = session.capabilities
            assert can.mutable_options <= can.options
            taken = name in can.mutable_options
            await _agrees(taken, lambda: session.update(OPTIONS[name]), name)

    @pytest.mark.parametrize(("field", "value"), [(field, value) for field in VALUES for value in VALUES[field]])
    async def test_values_are_those(self, harness: Harness, field: str, value: str) -> None:
        async with _client(harness, VALUES["session_kinds"].get(value, SessionOptions()), check=False) as (client, can):
            wanted = VALUES[field][value]
            need(all(name in can.options or name == "kind" for name in wanted.stated()), f"option {field}")
            taken = value in getattr(can, field) and (value != "mcp" or can.hosted_mcp)
            await _agrees(taken, lambda: _open_and_close(client, harness.options.merged(wanted)), value)

    @pytest.mark.parametrize("format", FORMATS, ids=str)
    @pytest.mark.parametrize("direction", ["input", "output"])
    async def test_formats_are_those(self, harness: Harness, direction: str, format: AudioFormat) -> None:
        async with _client(harness, SessionOptions()) as (client, can):
            formats = getattr(can, f"{direction}_formats")
            wanted = harness.options.merged(SessionOptions(**{f"{direction}_audio": format}))  # type: ignore[arg-type]
            taken = formats is None or format in formats
            await _agrees(taken, lambda: _open_and_close(client, wanted), str(format))

    async def test_hosted_mcp_means_what_it_says(self, harness: Harness, kind: SessionOptions) -> None:
        async with _client(harness, kind) as (client, can):
            need("tools" in can.options, "tools")
            wanted = harness.options.merged(kind).merged(SessionOptions(tools=(MCP,)))
            await _agrees(can.hosted_mcp, lambda: _open_and_close(client, wanted), "hosted_mcp")
        async with _session(harness, kind) as session:
            approval = m.FunctionCallApproval(approval_id="approval_of_the_test", approve=True)
            await _agrees(can.hosted_mcp, lambda: session.send(approval), "approval")

    async def test_images_in_a_history_are_images(self, harness: Harness) -> None:
        async with _client(harness, SessionOptions()) as (client, can):
            need(can.seeding, "history to begin with")
            wanted = harness.options.merged(SessionOptions(history=(m.MessageItem.image(IMAGE),)))
            await _agrees(can.images, lambda: _open_and_close(client, wanted), "images")


async def _agrees(can: bool, ask: Callable[[], Awaitable[object]], what: str) -> None:
    """What cannot be done is refused, and only that. Other errors are the provider's business."""
    refusal = await _refusal(ask)
    if can:
        assert refusal is None, f"{what} is said to be supported, and was refused: {refusal}"
    else:
        assert refusal is not None, f"{what} is said not to be supported, and was not refused."
        assert refusal.provider
        assert refusal.operation


async def _refusal(ask: Callable[[], Awaitable[object]]) -> UnsupportedOperation | None:
    try:
        with suppress(ValueError, SessionEnded):
            await ask()
    except UnsupportedOperation as error:
        return error
    return None


@asynccontextmanager
async def _client(
    harness: Harness, options: SessionOptions, *, check: bool = True
) -> AsyncIterator[tuple[RealtimeClient, Capabilities]]:
    async with opened(harness) as client:
        wanted = harness.options.merged(options)
        can = client.capabilities(wanted)
        if check:
            need(wanted.kind in (None, *can.session_kinds), f"session of kind {wanted.kind}")
        yield client, can


@asynccontextmanager
async def _session(
    harness: Harness, options: SessionOptions, *, without: m.ClientMessage | None = None
) -> AsyncIterator[RealtimeSession]:
    """A session with these options, as far as it can have them."""
    async with _client(harness, options) as (client, can):
        if options.turn_detection is OFF and "off" not in can.turn_detections:
            options = SessionOptions(kind=options.kind)
        async with client.create_session(harness.options.merged(options)) as session:
            yield session


async def _open_and_close(client: RealtimeClient, options: SessionOptions) -> None:
    await (await client.create_session(options)).aclose()
