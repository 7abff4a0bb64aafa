"""Providers that are down, on loopback: another one answers, at the beginning and in the middle."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from duologue import messages as m
from duologue.errors import ConnectRefused, HungUp, InvalidInput, UnsupportedOperation
from duologue.link import Link
from duologue.middleware import FallbackClient, FunctionInvocation
from duologue.options import SessionOptions
from duologue.testing import ScriptedClient
from duologue.testing.loopback import Cut, Hangup
from lasting import AT_ONCE, Talker, add, client_of, gemini, openai, read_all, said

OPTIONS = SessionOptions(instructions="Repeat.", tools=(add,), model="gpt-realtime", voice="ash")


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class _Stuck(ScriptedClient):
    async def open_link(self, options: SessionOptions, dropped: tuple[str, ...]) -> Link:
        await asyncio.Event().wait()
        raise AssertionError


async def test_where_one_is_down_another_answers() -> None:
    async with openai() as down, gemini() as up:
        down.refuse(503, times=100)
        clients = FallbackClient([client_of(down), client_of(up)], reconnection=AT_ONCE)
        async with clients, clients.create_session(replace(OPTIONS, tools=())) as session:
            assert session.metadata.provider == "gemini"
            talker = Talker(session)
            await talker.say("one")
        setup = up.session.received_of("setup")[0]["setup"]
    assert said(talker.conversation.items)[-1] == ("assistant", "You said: one .")
    assert setup["model"] == "models/gemini-3.8-live"
    assert "ash" not in str(setup)


async def test_in_the_middle_of_a_conversation_another_goes_on() -> None:
    async with openai() as first, gemini() as second:
        clients = FallbackClient([client_of(first), client_of(second)], reconnection=AT_ONCE)
        client = clients.with_middleware(FunctionInvocation())
        async with client, client.create_session(OPTIONS) as session:
            talker = Talker(session)
            await talker.say("one")
            await talker.say("add 1 2")
            first.refuse(503, times=100)
            first.inject(Cut())
            told = await talker.say("two")
            await talker.say("add 3 4")
        restored = next(message for message in told if isinstance(message, m.SessionRestored))
        assert (restored.provider, restored.how) == ("gemini", "replayed")
    answers = [text for who, text in said(talker.conversation.items) if who == "assistant"]
    assert answers == [
        "You said: one .",
        "The sum of these numbers is 3 .",
        "You said: two .",
        "The sum of these numbers is 7 .",
    ]


async def test_from_a_provider_with_a_handle_to_one_without() -> None:
    async with gemini() as first, openai() as second:
        clients = FallbackClient([client_of(first), client_of(second)], reconnection=AT_ONCE)
        async with clients, clients.create_session() as session:
            talker = Talker(session)
            await talker.say("one")
            first.inject(Hangup(code=1008, reason="Not allowed."))
            told = await talker.say("two")
        restored = next(message for message in told if isinstance(message, m.SessionRestored))
        assert (restored.provider, restored.how) == ("openai", "replayed")
        assert len(first.sessions) == 1
    assert said(talker.conversation.items)[-1] == ("assistant", "You said: two .")


async def test_after_a_while_the_first_is_the_first_again() -> None:
    clock = _Clock()
    async with openai() as first, gemini() as second:
        first.refuse(503, times=1)
        clients = FallbackClient([client_of(first), client_of(second)], cool_down=60, clock=clock)
        async with clients:
            providers = []
            for moment in (0.0, 59.0, 61.0):
                clock.now = moment
                async with clients.create_session() as session:
                    providers.append(session.metadata.provider)
        assert len(first.requests) == 2
    assert providers == ["gemini", "gemini", "openai"]


async def test_the_preferred_one_takes_the_conversation_back() -> None:
    """A provider goes down in the middle and comes back: every turn is answered once, at whichever there is."""
    async with openai() as first, gemini() as second:
        clients = FallbackClient(
            [client_of(first), client_of(second)], cool_down=0.1, move_back=True, reconnection=AT_ONCE
        )
        client = clients.with_middleware(FunctionInvocation())
        async with client, client.create_session(OPTIONS) as session:
            talker = Talker(session)
            await talker.say("one")
            first.refuse(503, times=1)
            first.inject(Cut())
            await talker.say("add 1 2")
            async for message in session:
                if isinstance(message, m.SessionRestored):
                    assert (message.cause, message.provider, message.how) == ("return", "openai", "replayed")
                    break
            await talker.say("add 3 4")
            assert session.metadata.provider == "openai"
            assert len(second.sessions) == 1
    answers = [text for who, text in said(talker.conversation.items) if who == "assistant"]
    assert answers == [
        "You said: one .",
        "The sum of these numbers is 3 .",
        "The sum of these numbers is 7 .",
    ]
    assert len(talker.seen_of(m.TurnDone)) == 3


async def test_one_that_does_not_answer_is_given_up_in_time() -> None:
    clients = FallbackClient([_Stuck(provider="stuck"), ScriptedClient(provider="fine")], timeout=0.05)
    async with clients, clients.create_session() as session:
        assert session.metadata.provider == "fine"


async def test_where_all_are_down_it_says_so_of_each() -> None:
    async with openai() as first, gemini() as second:
        first.refuse(401, times=100)
        second.refuse(403, times=100)
        async with FallbackClient([client_of(first), client_of(second)]) as clients:
            with pytest.raises(ConnectRefused, match=r"(?s)2 providers.*401.*403") as raised:
                await clients.create_session()
        assert not raised.value.retryable
        assert (len(first.requests), len(second.requests)) == (1, 1)


async def test_a_stand_in_has_to_be_able_to_do_what_is_asked() -> None:
    refused = ConnectRefused("Down.", provider="scripted", retryable=True)
    able = ScriptedClient(refusal=refused)
    async with gemini() as emulator:
        async with FallbackClient([able, client_of(emulator)], requires=["truncate"]) as clients:
            with pytest.raises(ConnectRefused, match="truncate"):
                await clients.create_session()
        async with FallbackClient([client_of(emulator)], requires=["truncate"]) as clients:
            with pytest.raises(UnsupportedOperation, match="truncate"):
                await clients.create_session()


async def test_with_nobody_left_the_session_ends_with_its_reason() -> None:
    async with openai() as only, FallbackClient([client_of(only)]) as clients, clients.create_session() as session:
        only.inject(Hangup(code=1008, reason="No."))
        with pytest.raises(HungUp, match="No"):
            await read_all(session)


@pytest.mark.parametrize(("clients", "requires"), [((), ()), ((ScriptedClient(),), ("flight",))])
def test_what_makes_no_sense(clients: tuple[ScriptedClient, ...], requires: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput):
        FallbackClient(clients, requires=requires)
