"""`Telemetry`: the spans of tool calls, and what stands around a session's spans."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext, suppress
from dataclasses import replace

import msgspec
import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from duologue import FunctionInvocation, SessionOptions, tool
from duologue import messages as m
from duologue.client import DuologueWarning
from duologue.errors import HungUp
from duologue.middleware.telemetry import Telemetry
from duologue.testing import ScriptedClient, ScriptedReply
from telemetry_records import WEATHER, Records, arrive, attributes, call_done, created, done, duration, opened, result


@pytest.fixture
def records() -> Records:
    return Records()


async def test_a_tool_call(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(session, created())
    records.clock.advance(1)
    await arrive(session, call_done(), done(items=(WEATHER,)))
    records.clock.advance(3)
    await session.send(result())
    span, response = records.one("execute_tool get_weather"), records.one("realtime_inference script")
    assert span.kind is SpanKind.INTERNAL
    assert duration(span) == 3
    assert duration(response) == 1
    assert span.parent is not None
    assert response.context is not None
    assert span.parent.span_id == response.context.span_id
    assert span.status.status_code is StatusCode.UNSET
    assert dict(attributes(span)) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.provider.name": "scripted",
        "gen_ai.realtime_session.id": "scripted",
        "gen_ai.tool.name": "get_weather",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": "c1",
        "gen_ai.realtime.turn.id": "turn_1",
        "gen_ai.realtime.tool.outcome": "completed",
    }
    await session.send(result())
    await arrive(session, call_done())
    await session.aclose()
    assert len(records.named("execute_tool get_weather")) == 1


async def test_calls_that_are_told_of_at_the_end_only(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(session, created(), done(items=(WEATHER,)))
    await session.send(result())
    await session.aclose()
    span, response = records.one("execute_tool get_weather"), records.one("realtime_inference script")
    assert span.parent == response.context


async def test_calls_that_are_not_to_be_run(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(session, created(), call_done(msgspec.structs.replace(WEATHER, status="incomplete")))
    await arrive(session, done(status="cancelled"), created("side", out_of_band=True))
    await arrive(session, call_done(response_id="side"), done("side", out_of_band=True, items=(WEATHER,)))
    await session.aclose()
    assert records.named("execute_tool get_weather") == []


async def test_a_tool_that_failed(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(session, created(), call_done())
    await session.send(result(is_error=True))
    await session.aclose()
    span = records.one("execute_tool get_weather")
    assert span.status.status_code is StatusCode.ERROR
    assert attributes(span)["error.type"] == "tool_error"
    assert attributes(span)["gen_ai.realtime.tool.outcome"] == "failed"


async def test_calls_that_get_no_answer(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    other = msgspec.structs.replace(WEATHER, call_id="c2")
    await arrive(session, created(), call_done(), call_done(other), m.ToolCallsCancelled(call_ids=("c1", "unknown")))
    await session.aclose()
    spans = records.named("execute_tool get_weather")
    assert [attributes(span)["gen_ai.realtime.tool.outcome"] for span in spans] == ["cancelled", "unanswered"]
    assert {span.status.status_code for span in spans} == {StatusCode.UNSET}


async def test_that_calls_without_an_answer_do_not_pile_up(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    calls = [msgspec.structs.replace(WEATHER, call_id=f"c{number}") for number in range(260)]
    await arrive(session, created(), *(call_done(call) for call in calls))
    assert len(records.named("execute_tool get_weather")) == 4
    await session.aclose()


async def test_that_a_result_that_was_not_accepted_is_none(records: Records) -> None:
    client = ScriptedClient()
    session = await opened(client, records.telemetry())
    await arrive(session, created(), call_done())

    def refuse(message: m.ItemCreate) -> None:
        raise ValueError("no")

    client.on(m.ItemCreate, refuse)
    with pytest.raises(ValueError, match="no"):
        await session.send(result())
    assert records.spans == []
    await session.aclose()


async def test_that_a_result_counts_though_its_sender_is_cancelled(records: Records) -> None:
    client = ScriptedClient()
    session = await opened(client, records.telemetry())
    await arrive(session, created(), call_done())
    client.link.block_sending()
    client.on(m.ItemCreate, lambda message: [])  # no echo
    sender = asyncio.create_task(session.send(result()))
    await client.link.wait_sent(m.ItemCreate)
    assert records.spans == []
    sender.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sender
    assert attributes(records.one("execute_tool get_weather"))["gen_ai.realtime.tool.outcome"] == "completed"
    client.link.unblock_sending()
    await session.aclose()


@pytest.mark.parametrize("inside", [False, True])
async def test_tools_that_are_run_by_a_layer(records: Records, inside: bool) -> None:
    """Whichever of the two is the outer one, though only then the tool's own spans find their parent."""

    @tool
    async def get_weather(city: str) -> str:
        with records.tracers.get_tracer("application").start_as_current_span("look it up"):
            records.clock.advance(2)
        return f"Rain in {city}."

    telemetry, invocation = records.telemetry(), FunctionInvocation()
    client = ScriptedClient([ScriptedReply.call("get_weather", {"city": "Oslo"}), "It rains."])
    layers = (telemetry, invocation) if inside else (invocation, telemetry)
    with pytest.warns(DuologueWarning, match="does not see") if inside else nullcontext():
        session = await opened(client, *layers, options=SessionOptions(tools=(get_weather,)))
    await session.send_text("What is the weather in Oslo?")
    async for message in session:
        if isinstance(message, m.TurnDone):
            break
    await session.aclose()
    span = records.one("execute_tool get_weather")
    assert duration(span) == 2
    assert attributes(span)["gen_ai.realtime.tool.outcome"] == "completed"
    if not inside:
        assert records.one("look it up").parent == span.context
    assert [len(records.named(name)) for name in ("realtime_inference script", "execute_tool get_weather")] == [2, 1]


async def test_a_tool_that_the_provider_runs(records: Records) -> None:
    call = m.McpCall(id="i5", server_label="maps", name="find", arguments='{"q":"Oslo"}')
    broken = msgspec.structs.replace(call, id="i6")
    error = m.ErrorDetail(message="secret", code="http_error")
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(session, created(), m.OutputItemAdded(response_id="r1", item=call))
    records.clock.advance(1)
    await arrive(session, m.McpCallProgress(item_id="i5", status="in_progress"))
    records.clock.advance(2)
    await arrive(session, m.McpCallProgress(item_id="i5", status="completed"))
    await arrive(session, m.OutputItemDone(response_id="r1", item=msgspec.structs.replace(call, output="secret")))
    await arrive(session, m.OutputItemAdded(response_id="r1", item=broken))
    records.clock.advance(4)
    await arrive(session, m.OutputItemDone(response_id="r1", item=msgspec.structs.replace(broken, error=error)))
    await arrive(session, m.OutputItemDone(response_id="r1", item=broken), done())
    await session.aclose()
    found, failed = records.named("execute_tool find")
    assert (duration(found), duration(failed)) == (2, 4)
    assert found.parent == records.one("realtime_inference script").context
    assert attributes(found)["gen_ai.tool.type"] == "extension"
    assert attributes(found)["gen_ai.realtime.mcp.server_label"] == "maps"
    assert found.status.status_code is StatusCode.UNSET
    assert attributes(failed)["error.type"] == "http_error"
    assert failed.status.description is None


# --- beside the application ---


async def test_that_spans_of_the_application_surround_the_session(records: Records) -> None:
    tracer = records.tracers.get_tracer("application")
    with tracer.start_as_current_span("a call") as outer:
        session = await opened(ScriptedClient(), records.telemetry())
        assert trace.get_current_span() is outer
    await session.aclose()
    span = records.one("realtime_session script")
    assert span.parent is not None
    assert span.parent.span_id == outer.get_span_context().span_id


async def test_that_nothing_is_changed_on_its_way(records: Records) -> None:
    async def converse(telemetry: Telemetry | None) -> list[m.ServerMessage]:
        reply = ScriptedReply.speech("Hello there.", 500) + ScriptedReply.call("get_weather", call_id="c1")
        client = ScriptedClient([reply, replace(reply, steps=reply.steps[:1])], clock=lambda: 0.0)
        session = await client.with_middleware(*[telemetry] if telemetry else []).create_session()
        await session.send_text("Hello")
        client.link.hear("Stop.")
        client.link.push(m.RateLimitsUpdated(limits=()), m.SessionExpiring(seconds_left=60))
        client.link.hang_up()
        read = []
        with suppress(HungUp):
            while True:
                read.append(await anext(session))
        return read

    assert await converse(records.telemetry()) == await converse(None)
    assert records.spans
