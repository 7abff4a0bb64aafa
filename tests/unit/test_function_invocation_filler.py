"""Something to say while a call takes long: once, in silence, and never in place of the answer."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from duologue import messages as m
from duologue.middleware.filler import VoiceWatch
from duologue.middleware.function_invocation import FunctionInvocation
from duologue.options import SessionOptions
from duologue.runtime import wrap_sessions
from duologue.testing import SCRIPTED_CAPABILITIES, ScriptedClient, ScriptedReply
from duologue.tools import FunctionTool, tool
from function_calls import follow_ups, read_until, results, session_with, settled, wait_results

SOON = FunctionInvocation(filler="One moment, please.", filler_after=0.001)
SLOW = ScriptedReply.call("slow", call_id="s")
SEARCHING = "I am still searching."
INSTRUCTED = msgspec.structs.replace(SCRIPTED_CAPABILITIES, say="none")
MUTE = msgspec.structs.replace(SCRIPTED_CAPABILITIES, say="none", response_options=frozenset())


class Slow:
    """A function that runs until it is let go."""

    def __init__(self, filler: str | None = None, filler_after: float | None = None) -> None:
        self.running, self.release = asyncio.Event(), asyncio.Event()
        self.tool: FunctionTool = tool(name="slow", filler=filler, filler_after=filler_after)(self.run)

    async def run(self) -> str:
        self.running.set()
        await self.release.wait()
        return "found"


def said(client: ScriptedClient) -> list[str]:
    return [message.text for message in client.link.sent_of(m.Say)]


async def test_it_is_said_once_and_the_answer_still_comes() -> None:
    slow = Slow()
    client = ScriptedClient([SLOW, "I found it."])
    async with session_with(client, slow.tool, settings=SOON) as session:
        await session.respond()
        await client.link.wait_sent(m.Say)
        await read_until(session, m.ResponseDone)
        _, filler = await read_until(session, m.ResponseDone)
        await settled()
        assert not follow_ups(client)
        slow.release.set()
        _, answer = await read_until(session, m.ResponseDone)
    assert said(client) == ["One moment, please."]
    assert [item.text for item in filler.items if isinstance(item, m.MessageItem)] == ["One moment, please."]
    assert [item.text for item in answer.items if isinstance(item, m.MessageItem)] == ["I found it."]
    assert [type(message) for message in client.link.sent] == [m.ResponseCreate, m.Say, m.ItemCreate, m.ResponseCreate]


async def test_a_result_that_comes_during_the_filler_is_told_after_it() -> None:
    slow = Slow()
    client = ScriptedClient([SLOW, "I found it."])

    def say_slowly(message: m.Say) -> ScriptedReply:
        return ScriptedReply.text(message.text).held()

    client.on(m.Say, say_slowly)
    async with session_with(client, slow.tool, settings=SOON) as session:
        await session.respond()
        await client.link.wait_sent(m.Say)
        slow.release.set()
        await wait_results(client)
        await settled()
        assert not follow_ups(client)
        assert client.link.active is not None
        client.link.push(*client.link.active.end())
        await client.link.wait_sent(m.ResponseCreate, 2)
        await read_until(session, m.TurnDone)
    assert len(follow_ups(client)) == 1


async def test_a_quick_call_needs_none() -> None:
    slow = Slow()
    client = ScriptedClient([SLOW, "I found it."])
    async with session_with(client, slow.tool, settings=FunctionInvocation(filler="Hm.", filler_after=60)) as session:
        await session.respond()
        await slow.running.wait()
        slow.release.set()
        await read_until(session, m.TurnDone)
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("filler")]
    assert not said(client)


async def test_the_tools_own_words_win() -> None:
    slow = Slow(SEARCHING, 0.001)
    client = ScriptedClient([SLOW])
    async with session_with(client, slow.tool, settings=FunctionInvocation(filler="Hm.", filler_after=60)) as session:
        await session.respond()
        await client.link.wait_sent(m.Say)
    assert said(client) == [SEARCHING]


async def test_a_tool_can_do_without() -> None:
    slow = Slow("")
    client = ScriptedClient([SLOW])
    async with session_with(client, slow.tool, settings=SOON) as session:
        await session.respond()
        await slow.running.wait()
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("filler")]


async def test_several_slow_calls_of_one_response_are_passed_over_once() -> None:
    release = asyncio.Event()

    @tool
    async def slow() -> None:
        await release.wait()

    client = ScriptedClient([SLOW + ScriptedReply.call("slow", call_id="t"), "Both are there."])
    async with session_with(client, slow, settings=SOON) as session:
        await session.respond()
        await client.link.wait_sent(m.Say)
        fillers = [task for task in asyncio.all_tasks() if task.get_name().startswith("filler")]
        await asyncio.gather(*fillers)
        release.set()
        await read_until(session, m.TurnDone)
        await client.link.wait_sent(m.ResponseCreate, 2)
    assert said(client) == ["One moment, please."]


async def test_it_waits_while_the_model_generates_and_while_it_is_heard() -> None:
    slow = Slow()
    client = ScriptedClient([(ScriptedReply.speech("Let me see.", 80) + SLOW).held()])
    loop = asyncio.get_running_loop()
    async with session_with(client, slow.tool, settings=SOON) as session:
        before = loop.time()
        await session.respond()
        await slow.running.wait()
        await settled()
        assert not said(client)
        assert client.link.active is not None
        client.link.push(*client.link.active.end())
        await client.link.wait_sent(m.Say)
        assert loop.time() >= before + 0.08


async def test_audio_that_was_stopped_is_not_waited_for() -> None:
    client = ScriptedClient([ScriptedReply.speech("A long story.", 60_000)])
    async with client.with_middleware(wrap_sessions(VoiceWatch)).create_session() as session:
        watch = session.get_service(VoiceWatch)
        assert watch is not None
        await session.respond()
        await read_until(session, m.TurnDone)
        silence = asyncio.ensure_future(watch.silence())
        await settled()
        assert not silence.done()
        silence.cancel()
        await session.interrupt()
        await watch.silence()


async def test_there_is_silence_when_the_last_of_several_responses_is_done() -> None:
    client = ScriptedClient()
    async with client.with_middleware(wrap_sessions(VoiceWatch)).create_session() as session:
        watch = session.get_service(VoiceWatch)
        assert watch is not None
        client.link.push(m.ResponseCreated(response_id="a"), m.ResponseCreated(response_id="b", out_of_band=True))
        client.link.push(m.ResponseDone(response_id="a", status="completed"))
        await read_until(session, m.ResponseDone)
        silence = asyncio.ensure_future(watch.silence())
        await settled()
        assert not silence.done()
        client.link.push(m.ResponseDone(response_id="b", status="completed", out_of_band=True))
        await silence


async def test_it_is_not_said_once_the_user_moves_on() -> None:
    slow = Slow()
    client = ScriptedClient([(ScriptedReply.text("Let me see.") + SLOW).held()])
    async with session_with(client, slow.tool, settings=SOON) as session:
        await session.respond()
        await slow.running.wait()
        client.link.hear("Where is Oslo?", respond=False)
        await read_until(session, m.TurnDone)
        await settled()
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("filler")]
        slow.release.set()
        await wait_results(client)
    assert not said(client)


async def test_a_provider_that_cannot_say_is_instructed() -> None:
    slow = Slow()
    client = ScriptedClient([SLOW, "One moment, please."], capabilities=INSTRUCTED)
    async with session_with(client, slow.tool, settings=SOON) as session:
        await session.respond()
        _, request = await client.link.wait_sent(m.ResponseCreate, 2)
    assert request.instructions == "Say exactly this, and nothing else: One moment, please."
    assert request.tool_choice == "none"
    assert not request.follow_up


async def test_a_provider_that_can_do_neither_says_nothing() -> None:
    slow = Slow()
    client = ScriptedClient([SLOW, "I found it."], capabilities=MUTE)
    async with session_with(client, slow.tool, settings=SOON) as session:
        await session.respond()
        await slow.running.wait()
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("filler")]
        slow.release.set()
        await read_until(session, m.TurnDone)
    assert len(results(client)) == 1


async def test_tools_that_come_later_have_their_fillers_too() -> None:
    slow = Slow(SEARCHING, 0.001)
    client = ScriptedClient([SLOW])
    async with session_with(client) as session:
        assert session.get_service(VoiceWatch) is None
        await session.update(SessionOptions(tools=(slow.tool,)))
        await session.respond()
        await client.link.wait_sent(m.Say)
    assert said(client) == [SEARCHING]


@pytest.mark.parametrize("settings", [SOON, FunctionInvocation()])
async def test_audio_is_only_watched_where_there_is_something_to_say(settings: FunctionInvocation) -> None:
    async with session_with(ScriptedClient(), settings=settings) as session:
        assert (session.get_service(VoiceWatch) is not None) == (settings.filler is not None)


async def test_the_end_of_the_session_ends_the_wait() -> None:
    slow = Slow()
    client = ScriptedClient([SLOW])
    before = asyncio.all_tasks()
    async with session_with(client, slow.tool, settings=FunctionInvocation(filler="Hm.", filler_after=60)) as session:
        await session.respond()
        await slow.running.wait()
    assert asyncio.all_tasks() == before


async def test_the_turn_is_over_with_the_answer_and_not_with_the_filler() -> None:
    slow = Slow()
    client = ScriptedClient([SLOW, "I found it."])
    async with session_with(client, slow.tool, settings=SOON) as session:
        await session.respond()
        await client.link.wait_sent(m.Say)
        await settled()
        slow.release.set()
        read, _ = await read_until(session, m.TurnDone)
    dones = [message for message in read if isinstance(message, m.ResponseDone)]
    assert len(dones) == 3
    assert len({message.turn_id for message in dones}) == 1


async def test_a_turn_that_is_cut_off_is_over_although_a_call_runs() -> None:
    slow = Slow()
    client = ScriptedClient([SLOW.held()])
    async with session_with(client, slow.tool) as session:
        await session.respond()
        await slow.running.wait()
        await session.send(m.ResponseCancel())
        _, turn = await read_until(session, m.TurnDone)
        assert turn.outcome == "interrupted"
