"""The items of a conversation: made, deleted, retrieved, cut."""

from __future__ import annotations

from duologue import messages as m
from duologue.testing.conformance.harness import Harness
from duologue.testing.conformance.talk import Talk, need, talking


class ItemTests:
    """`ItemCreate`, `ItemDelete`, `ItemRetrieve`, `ItemTruncate`."""

    async def test_an_item_is_added_with_its_id(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            item = await _add(talk, m.MessageItem.user("Hello.", id="item_of_the_test"))
            assert item.id == "item_of_the_test"
            other = await _add(talk, m.MessageItem.system("Be kind."))
            assert other.id not in (None, "item_of_the_test")

    async def test_an_item_is_added_where_it_belongs(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            need(talk.can.insert_position, "place for an item")
            second = await _add(talk, m.MessageItem.user("two"))
            await _add(talk, m.MessageItem.user("three"), previous_item_id=second.id)
            await _add(talk, m.MessageItem.user("one"), previous_item_id="root")
            await _add(talk, m.MessageItem.user("four"))
            assert [item.text for item in _messages(talk)] == ["one", "two", "three", "four"]

    async def test_an_item_is_deleted(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            need(talk.can.delete, "deletion")
            item = await _add(talk, m.MessageItem.user("Forget this."))
            await talk.session.send(m.ItemDelete(item_id=item.id or ""))
            assert (await talk.until(m.ItemDeleted)).item_id == item.id
            assert talk.conversation.items == []

    async def test_an_item_is_retrieved(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            need(talk.can.retrieve, "retrieval")
            item = await _add(talk, m.MessageItem.user("Remember this."))
            await talk.session.send(m.ItemRetrieve(item_id=item.id or ""))
            retrieved = await talk.until(m.ItemRetrieved)
            assert isinstance(retrieved.item, m.MessageItem)
            assert (retrieved.item.id, retrieved.item.text) == (item.id, "Remember this.")

    async def test_an_answer_is_cut_at_what_was_heard(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            need(talk.can.truncate and "audio" in talk.can.output_modalities, "truncation")
            done = await talk.ask(harness.short_prompt)
            item_id = done.items[0].id or ""
            whole = talk.conversation.transcript(item_id)
            received_ms = sum(delta.format.duration_ms(len(delta.audio)) for delta in talk.of(m.OutputAudioDelta))
            await talk.session.send(m.ItemTruncate(item_id=item_id, audio_end_ms=int(received_ms / 2)))
            cut = await talk.until(m.ItemTruncated)
            assert (cut.item_id, cut.audio_end_ms) == (item_id, int(received_ms / 2))
            heard = talk.conversation.transcript(item_id)
            assert whole.startswith(heard)
            assert len(heard) < len(whole)

    async def test_an_item_that_is_not_there_is_an_error_that_names_its_cause(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            messages = [
                (talk.can.delete, m.ItemDelete(item_id="item_that_is_not_there")),
                (talk.can.retrieve, m.ItemRetrieve(item_id="item_that_is_not_there")),
                (talk.can.truncate, m.ItemTruncate(item_id="item_that_is_not_there", audio_end_ms=0)),
                (
                    talk.can.insert_position,
                    m.ItemCreate(item=m.MessageItem.user("Hello."), previous_item_id="item_that_is_not_there"),
                ),
            ]
            possible = [message for can, message in messages if can]
            need(possible, "way to name an item")
            for message in possible:
                cause = await talk.session.send(message)
                error = await talk.until(m.ErrorReported)
                assert error.cause_id == cause
                assert error.error.message
            await _add(talk, m.MessageItem.user("Hello."))  # and the session goes on

    async def test_more_than_there_is_cannot_be_cut(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            need(talk.can.truncate and "audio" in talk.can.output_modalities, "truncation")
            done = await talk.ask(harness.short_prompt)
            item_id = done.items[0].id or ""
            cause = await talk.session.send(m.ItemTruncate(item_id=item_id, audio_end_ms=10_000_000))
            assert (await talk.until(m.ErrorReported)).cause_id == cause
            assert not talk.of(m.ItemTruncated)


async def _add(talk: Talk, item: m.Item, previous_item_id: str | None = None) -> m.Item:
    """Add an item, and read until it is there."""
    need(talk.can.text_input, "way to be written to")
    await talk.session.send(m.ItemCreate(item=item, previous_item_id=previous_item_id))
    return (await talk.until(m.ItemDone)).item


def _messages(talk: Talk) -> list[m.MessageItem]:
    return [item for item in talk.conversation.items if isinstance(item, m.MessageItem)]
