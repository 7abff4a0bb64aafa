"""Responses: one at a time, beside each other, cancelled, different from the session's options."""

from __future__ import annotations

import pytest

from duologue import messages as m
from duologue.errors import UnsupportedOperation
from duologue.formats import PCM16_8K, PCM16_24K, PCM16_48K, PCMU
from duologue.options import SessionOptions
from duologue.testing.conformance.harness import Harness
from duologue.testing.conformance.talk import Talk, need, opened, talking


class ResponseTests:
    """`ResponseCreate`, `ResponseCancel` and `Say`."""

    async def test_requests_wait_for_their_turn(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            need(talk.can.explicit_response, "answer that is asked for")
            await talk.write(harness.short_prompt)
            await talk.write(harness.short_prompt)
            await talk.session.respond(m.ResponseCreate())
            await talk.until(m.ResponseDone)
            await talk.until(m.ResponseDone)
            kinds = [type(message) for message in talk.messages]
            assert m.ErrorReported not in kinds

    async def test_a_request_that_does_not_wait_is_refused_with_its_cause(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            await _begin_long_answer(talk)
            cause = await talk.session.respond(m.ResponseCreate(when="now"))
            error = await talk.until(m.ErrorReported)
            assert error.kind == "response_active"
            assert error.cause_id == cause

    async def test_a_response_can_be_cancelled(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            need(talk.can.cancel, "cancellation")
            created = await _begin_long_answer(talk)
            await talk.session.send(m.ResponseCancel(response_id=created.response_id))
            done = await talk.until(m.ResponseDone)
            assert (done.response_id, done.status) == (created.response_id, "cancelled")
            assert (await talk.until(m.TurnDone)).outcome == "interrupted"
            done = await talk.ask(harness.short_prompt)
            assert done.status == "completed"

    async def test_cancelling_nothing_is_harmless(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            need(talk.can.cancel and talk.can.explicit_response, "cancellation")
            await talk.session.send(m.ResponseCancel())
            done = await talk.ask(harness.short_prompt)
            assert done.status == "completed"

    async def test_a_response_beside_the_conversation(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            need(talk.can.out_of_band, "response beside the conversation")
            await talk.ask(harness.short_prompt)
            before = list(talk.conversation.items)
            question = m.MessageItem.user(harness.short_prompt)
            metadata = {"topic": "aside"} if talk.can.metadata else None
            await talk.session.respond(m.ResponseCreate(out_of_band=True, items=(question,), metadata=metadata))
            created = await talk.until(m.ResponseCreated)
            done = await talk.until(m.ResponseDone)
            assert created.out_of_band
            assert done.out_of_band
            assert done.metadata == metadata
            assert done.status == "completed"
            assert talk.conversation.items == before

    async def test_a_response_beside_the_active_one(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            need(talk.can.out_of_band, "response beside the conversation")
            active = await _begin_long_answer(talk)
            question = m.MessageItem.user(harness.short_prompt)
            await talk.session.respond(m.ResponseCreate(out_of_band=True, items=(question,)))
            beside = await talk.until(m.ResponseCreated)
            await talk.until(m.ResponseDone, lambda done: done.response_id == beside.response_id)
            assert active.response_id in talk.checker.open_responses

    async def test_metadata_comes_back(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            need(talk.can.metadata and talk.can.explicit_response, "metadata")
            await talk.session.respond(m.ResponseCreate(metadata={"a": "1", "b": "two"}))
            await talk.turn()
            assert talk.last(m.ResponseCreated).metadata == {"a": "1", "b": "two"}
            assert talk.last(m.ResponseDone).metadata == {"a": "1", "b": "two"}

    async def test_one_response_may_be_written(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            has_both = {"audio", "text"} <= talk.can.output_modalities
            need(has_both and "output_modalities" in talk.can.response_options, "choice for one response")
            await talk.session.respond(m.ResponseCreate(output_modalities=("text",)))
            await talk.turn()
            assert talk.of(m.OutputTextDelta)
            assert not talk.of(m.OutputAudioDelta)
            await talk.session.respond()
            await talk.turn()
            assert talk.of(m.OutputAudioDelta)

    async def test_one_response_may_have_another_format(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            need("output_audio" in talk.can.response_options, "format for one response")
            usual = talk.session.options.output_audio or PCM16_24K
            offered = talk.can.output_formats
            known = (PCM16_8K, PCM16_24K, PCM16_48K, PCMU) if offered is None else offered
            other = next((format for format in known if format != usual), None)
            need(other is not None, "second format")
            await talk.session.respond(m.ResponseCreate(output_audio=other))
            await talk.turn()
            assert {delta.format for delta in talk.of(m.OutputAudioDelta)} == {other}

    async def test_one_response_may_have_its_own_input(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            need("items" in talk.can.response_options, "input for one response")
            await talk.session.respond(m.ResponseCreate(items=(m.MessageItem.user(harness.short_prompt),)))
            await talk.turn()
            assert talk.last(m.ResponseDone).status == "completed"
            assert [type(item) for item in talk.conversation.items] == [m.MessageItem]  # the answer alone

    async def test_what_is_to_be_said_is_said(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            need(talk.can.say != "none", "way to be told what to say")
            await talk.session.say("Good evening.")
            await talk.turn()
            done = talk.last(m.ResponseDone)
            assert done.status == "completed"
            if talk.can.say == "exact":
                assert talk.text_of(done) == "Good evening."


class UpdateTests:
    """`SessionUpdate`."""

    async def test_instructions_can_change(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            need("instructions" in talk.can.mutable_options, "instructions that can change")
            before = talk.session.options
            await talk.session.update(SessionOptions(instructions="Be brief."))
            updated = await talk.until(m.SessionUpdated)
            assert updated.options == talk.session.options
            assert talk.session.options.instructions == "Be brief."
            assert talk.session.options.output_audio == before.output_audio
            await talk.session.update(SessionOptions(instructions=""))
            await talk.until(m.SessionUpdated)
            assert talk.session.options.instructions == ""

    async def test_answers_can_be_written_from_now_on(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            has_both = {"audio", "text"} <= talk.can.output_modalities
            need(has_both and "output_modalities" in talk.can.mutable_options, "modality that can change")
            await talk.ask(harness.short_prompt)
            spoken = len(talk.of(m.OutputAudioDelta))
            await talk.session.update(SessionOptions(output_modalities=("text",)))
            await talk.ask(harness.short_prompt)
            assert len(talk.of(m.OutputAudioDelta)) == spoken > 0
            assert talk.of(m.OutputTextDelta)

    async def test_what_cannot_change_is_refused_and_changes_nothing(self, harness: Harness) -> None:
        async with opened(harness) as client:
            need("input_audio" not in client.capabilities(harness.options).mutable_options, "option that is fixed")
        async with talking(harness) as talk:
            before = talk.session.options
            with pytest.raises(UnsupportedOperation) as refused:
                await talk.session.update(SessionOptions(input_audio=PCM16_24K, instructions="Be brief."))
            assert refused.value.way_out
            assert talk.session.options == before


async def _begin_long_answer(talk: Talk) -> m.ResponseCreated:
    """Ask for a long answer, and read to its first words."""
    need(talk.can.explicit_response, "answer that is asked for")
    await talk.write(talk.harness.long_prompt)
    created = await talk.until(m.ResponseCreated)
    await talk.until(m.ContentPartAdded)
    return created
