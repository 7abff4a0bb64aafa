"""The user interrupts: what stops, and what is kept."""

from __future__ import annotations

from duologue import messages as m
from duologue.testing.conformance.harness import Harness
from duologue.testing.conformance.talk import Talk, need, talking


class InterruptionTests:
    """`Interrupted`, once, ahead of everything; and a conversation that holds what was heard."""

    async def test_speech_interrupts_an_answer_that_is_being_given(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            item_id = await _hear_some(talk, harness.long_prompt)
            response_id = talk.last(m.ResponseCreated).response_id
            await talk.say(harness.short_prompt)
            interrupted = await talk.until(m.Interrupted)
            assert interrupted.response_id == response_id
            assert interrupted.item_id == item_id
            done = await talk.until(m.ResponseDone)
            assert (done.response_id, done.status) == (response_id, "cancelled")
            answer = await talk.until(m.ResponseDone)
            assert answer.status == "completed"
            assert len(talk.of(m.Interrupted)) == 1
            await _check_kept(talk, item_id, interrupted)

    async def test_speech_interrupts_an_answer_that_is_only_being_played(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            item_id = await _hear_some(talk, harness.short_prompt, to_its_end=True)
            await talk.say(harness.short_prompt)
            interrupted = await talk.until(m.Interrupted)
            assert interrupted.item_id == item_id
            await talk.until(m.ResponseDone)
            assert len(talk.of(m.Interrupted)) == 1
            await _check_kept(talk, item_id, interrupted)

    async def test_an_answer_that_was_heard_is_not_interrupted(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            item_id = await _hear_some(talk, harness.short_prompt, to_its_end=True)
            received_ms = sum(delta.format.duration_ms(len(delta.audio)) for delta in talk.of(m.OutputAudioDelta))
            await talk.session.send(m.OutputAudioPlayed(item_id=item_id, played_ms=received_ms, finished=True))
            whole = talk.conversation.transcript(item_id)
            await talk.say(harness.short_prompt)
            await talk.until(m.ResponseDone)
            assert not talk.of(m.Interrupted)
            assert not talk.of(m.ItemTruncated)
            assert talk.conversation.transcript(item_id) == whole

    async def test_the_application_interrupts(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            need(talk.can.cancel, "cancellation")
            item_id = await _hear_some(talk, harness.long_prompt)
            await talk.session.interrupt()
            interrupted = await talk.until(m.Interrupted)
            assert interrupted.item_id == item_id
            if not any(done.status == "cancelled" for done in talk.of(m.ResponseDone)):
                assert (await talk.until(m.ResponseDone)).status == "cancelled"
            await _check_kept(talk, item_id, interrupted)
            if not talk.of(m.TurnDone):
                await talk.until(m.TurnDone)
            assert (await talk.ask(harness.short_prompt)).status == "completed"
            assert len(talk.of(m.Interrupted)) == 1

    async def test_interrupting_nothing_is_harmless(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            await talk.session.interrupt()
            await talk.ask(harness.short_prompt)
            assert not talk.of(m.Interrupted)


async def _hear_some(talk: Talk, prompt: str, *, to_its_end: bool = False) -> str:
    """Ask, read some of the answer or all of it, and hear 60 ms; gives the item."""
    need("audio" in talk.can.output_modalities and talk.can.explicit_response, "spoken answer")
    need(await talk.harness.speech(talk.harness.short_prompt, talk.input_format), "speech to be tested with")
    need(not talk.can.tracks_playback, "playback of the application's own")
    await talk.write(prompt)
    received_ms, item_id = 0.0, ""
    while received_ms < 200:
        delta = await talk.until(m.OutputAudioDelta)
        received_ms += delta.format.duration_ms(len(delta.audio))
        item_id = delta.item_id
    if to_its_end:
        await talk.until(m.ResponseDone)
    await talk.session.send(m.OutputAudioPlayed(item_id=item_id, played_ms=60))
    return item_id


async def _check_kept(talk: Talk, item_id: str, interrupted: m.Interrupted) -> None:
    """What the user did not hear is not in the conversation, on either side."""
    assert interrupted.heard_ms == 60
    if not talk.can.truncate:
        return
    if not talk.of(m.ItemTruncated):
        await talk.until(m.ItemTruncated)
    assert [(cut.item_id, cut.audio_end_ms) for cut in talk.of(m.ItemTruncated)] == [(item_id, 60)]
    said = [item for item in (done.item for done in talk.of(m.ItemDone)) if item.id == item_id]
    assert isinstance(said[-1], m.MessageItem)
    assert talk.conversation.was_cut(item_id)
    assert len(talk.conversation.transcript(item_id)) < len(said[-1].text)
