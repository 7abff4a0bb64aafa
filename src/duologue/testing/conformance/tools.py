"""Function calls: asked for, answered, gone on from."""

from __future__ import annotations

import json

import pytest

from duologue import messages as m
from duologue.options import SessionOptions
from duologue.testing.conformance.harness import GET_WEATHER, Harness
from duologue.testing.conformance.talk import Talk, need, opened, talking
from duologue.tools import FunctionTool

OFFERED = SessionOptions(tools=(GET_WEATHER,))


class ToolTests:
    """Rounds of calls and results, by hand and with `FunctionInvocation`."""

    async def test_a_call_is_asked_for(self, harness: Harness) -> None:
        async with talking(harness, await _offered(harness)) as talk:
            call = await _call(talk)
            assert call.name == "get_weather"
            assert json.loads(call.arguments)["city"].lower() == "oslo"
            assert talk.last(m.ResponseDone).awaits_tool_results
            assert not talk.of(m.TurnDone)  # the turn goes on
            assert talk.conversation.open_calls == {call.call_id: call}

    async def test_an_answer_follows_the_result(self, harness: Harness) -> None:
        async with talking(harness, await _offered(harness)) as talk:
            call = await _call(talk)
            result = m.FunctionResult(call_id=call.call_id, name=call.name, output='{"weather": "sunny"}')
            await talk.session.send(m.ItemCreate(item=result))
            if not talk.can.continues_after_tool_results:
                await talk.session.respond()
            await talk.turn()
            _check_round(talk)

    async def test_a_function_is_run(self, harness: Harness) -> None:
        invocation = pytest.importorskip("duologue.middleware").FunctionInvocation
        cities: list[str] = []

        def get_weather(city: str) -> str:
            cities.append(city)
            return "sunny"

        tool = FunctionTool.from_callable(
            get_weather, description=GET_WEATHER.description, examples=GET_WEATHER.examples
        )
        await _offered(harness)
        async with talking(harness, SessionOptions(tools=(tool,)), invocation()) as talk:
            await talk.write(harness.tool_prompt)
            await talk.turn()
            assert [city.lower() for city in cities] == ["oslo"]
            _check_round(talk)
            results = [item for item in talk.conversation.items if isinstance(item, m.FunctionResult)]
            assert len(results) == 1

    async def test_a_result_that_nobody_asked_for_is_an_error_that_names_its_cause(self, harness: Harness) -> None:
        async with talking(harness, await _offered(harness)) as talk:
            result = m.FunctionResult(call_id="call_that_is_not_there", output="{}")
            cause = await talk.session.send(m.ItemCreate(item=result))
            assert (await talk.until(m.ErrorReported)).cause_id == cause

    async def test_calls_can_be_forbidden(self, harness: Harness) -> None:
        async with talking(harness, await _offered(harness)) as talk:
            need("tool_choice" in talk.can.response_options and "none" in talk.can.tool_choices, "choice of tools")
            await talk.write(harness.tool_prompt, respond=False)
            await talk.session.respond(m.ResponseCreate(tool_choice="none"))
            await talk.turn()
            assert not talk.conversation.open_calls


async def _offered(harness: Harness) -> SessionOptions:
    """Options with the suite's tool. Skips the test where there are none."""
    async with opened(harness) as client:
        need("tools" in client.capabilities(harness.options).options, "tools")
    return OFFERED


async def _call(talk: Talk) -> m.FunctionCall:
    """Have the model ask for a call, and read to the end of that response."""
    await talk.write(talk.harness.tool_prompt)
    done = await talk.until(m.ResponseDone)
    assert len(done.function_calls) == 1, f"The model was to call a function, and said: {talk.text_of(done)!r}."
    return done.function_calls[0]


def _check_round(talk: Talk) -> None:
    """One call, one result, one answer, in one turn."""
    assert len(talk.of(m.TurnDone)) == 1
    assert talk.last(m.TurnDone).outcome == "completed"
    responses = talk.of(m.ResponseDone)
    assert len(responses) == 2
    assert {done.turn_id for done in responses} == {talk.last(m.TurnDone).turn_id}
    assert talk.text_of(responses[-1])
    assert not talk.conversation.open_calls
    kinds = [type(item) for item in talk.conversation.items]
    assert kinds.index(m.FunctionCall) < kinds.index(m.FunctionResult)
