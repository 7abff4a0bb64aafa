"""Reading a session: by whom, how often, and what a cancelled read loses."""

from __future__ import annotations

import asyncio

import pytest

from duologue import messages as m
from duologue.errors import ConcurrentRead
from duologue.messages.base import ServerMessage
from duologue.testing.conformance.harness import Harness
from duologue.testing.conformance.talk import reading_in_vain, talking


class ReadingTests:
    """`__anext__`: nothing is lost and nothing comes twice."""

    async def test_a_cancelled_read_loses_nothing(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            await talk.write(harness.short_prompt)
            async with asyncio.timeout(harness.timeout):
                while not talk.of(m.TurnDone):
                    reading = asyncio.ensure_future(anext(talk.session))
                    await asyncio.sleep(0)
                    reading.cancel()
                    try:
                        talk.note(await reading)
                    except asyncio.CancelledError:
                        await asyncio.sleep(0)
            done = talk.last(m.ResponseDone)
            assert done.status == "completed"
            if talk.can.output_transcripts == "always":
                words = [d.text for d in talk.messages if isinstance(d, m.OutputTranscriptDelta | m.OutputTextDelta)]
                assert "".join(words) == talk.text_of(done)

    async def test_a_loop_that_is_left_can_be_taken_up_again(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            await talk.write(harness.short_prompt)
            while not talk.of(m.TurnDone):
                async with asyncio.timeout(harness.timeout):
                    async for message in talk.session:
                        talk.note(message)
                        break
            assert talk.last(m.ResponseDone).status == "completed"

    async def test_two_readers_at_once_are_an_error(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            await talk.until(m.SessionCreated)
            reading = await reading_in_vain(talk.session)
            with pytest.raises(ConcurrentRead):
                await anext(talk.session)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            await talk.write("Hello.", respond=False)
            await talk.until(m.ItemDone)  # and the session goes on

    async def test_a_session_works_whether_or_not_it_is_read(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            for _ in range(3):
                await talk.write(harness.short_prompt)
            await asyncio.sleep(0.05)
            read: list[ServerMessage] = []
            while sum(isinstance(message, m.ResponseDone) for message in read) < 2:
                read.append(await talk.read())

    async def test_every_message_can_be_written_down(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            await talk.ask(harness.short_prompt)
            for message in talk.messages:
                text = m.to_json(message)
                assert m.server_from_json(text) == message, type(message).__name__
