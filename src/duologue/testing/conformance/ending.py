"""The end of a session: what is told, what is raised, what is left."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from duologue import messages as m
from duologue.errors import DuologueError, SessionClosed
from duologue.options import SessionOptions
from duologue.testing.conformance.harness import Harness
from duologue.testing.conformance.talk import Talk, nothing_is_left, opened, reading_in_vain


class EndingTests:
    """`aclose` of sessions and clients, at any moment, and cancellation."""

    async def test_iteration_ends_quietly_when_our_side_closes(self, harness: Harness) -> None:
        async with opened(harness) as client:
            session = await client.create_session(harness.options)
            assert session.ended is None
            await session.aclose()
            await session.aclose()
            assert isinstance(session.ended, SessionClosed)
            assert isinstance(await anext(session), m.SessionCreated)  # what has arrived can be read
            assert {type(message) async for message in session} <= {m.RawServerMessage}

    async def test_sending_after_the_end_raises_it(self, harness: Harness) -> None:
        async with opened(harness) as client:
            session = await client.create_session(harness.options)
            await session.aclose()
            with pytest.raises(SessionClosed):
                await session.send_audio(b"")
            with pytest.raises(SessionClosed):
                await session.update(SessionOptions())

    async def test_a_reader_that_waits_is_told_of_the_end(self, harness: Harness) -> None:
        async with opened(harness) as client:
            session = await client.create_session(harness.options)
            reading = await reading_in_vain(session)
            await session.aclose()
            with pytest.raises(StopAsyncIteration):
                await _in_time(reading, harness)

    @pytest.mark.parametrize("messages_read", [0, 1, 2, 3, 5, 8, 13, 21])
    async def test_a_session_can_be_closed_at_any_moment(self, harness: Harness, messages_read: int) -> None:
        async with opened(harness) as client:
            before = asyncio.all_tasks()
            async with client.create_session(harness.options) as session:
                talk = Talk(session, harness)
                await talk.write(harness.long_prompt)
                for _ in range(messages_read):
                    await talk.read()
            async for message in session:  # what had arrived is in order, too
                talk.note(message)
            await nothing_is_left(before)

    async def test_closing_a_client_ends_its_sessions(self, harness: Harness) -> None:
        async with opened(harness) as client:
            sessions = [await client.create_session(harness.options) for _ in range(3)]
            for session in sessions:
                await session.send_audio(bytes(320))
            await client.aclose()
            assert all(isinstance(session.ended, SessionClosed) for session in sessions)
            with pytest.raises(DuologueError):
                await client.create_session(harness.options)

    @pytest.mark.parametrize("turns_of_the_loop", [0, 1, 2, 3, 5, 8])
    async def test_an_opening_that_is_cancelled_leaves_nothing(self, harness: Harness, turns_of_the_loop: int) -> None:
        async with opened(harness) as client:
            before = asyncio.all_tasks()

            async def open_session() -> None:
                async with client.create_session(harness.options):
                    await asyncio.Event().wait()

            opening = asyncio.ensure_future(open_session())
            for _ in range(turns_of_the_loop):
                await asyncio.sleep(0)
            opening.cancel()
            with suppress(asyncio.CancelledError):
                await opening
            await nothing_is_left(before)

    async def test_sessions_of_one_client_do_not_mix(self, harness: Harness) -> None:
        async def converse(number: int) -> None:
            async with client.create_session(harness.options) as session:
                talk = Talk(session, harness)
                await talk.write(f"This is number {number}.", respond=False)
                await talk.ask(harness.short_prompt)
                talk.check_conversation()
                texts = [item.text for item in talk.conversation.items if isinstance(item, m.MessageItem)]
                assert texts[:2] == [f"This is number {number}.", harness.short_prompt]
                assert len(texts) == 3

        async with opened(harness) as client:
            await asyncio.gather(*(converse(number) for number in range(5)))


async def _in_time(reading: asyncio.Future[m.ServerMessage], harness: Harness) -> m.ServerMessage:
    async with asyncio.timeout(harness.timeout):
        return await reading
