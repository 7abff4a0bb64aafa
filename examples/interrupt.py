"""Interrupt an answer: what the user did not hear is forgotten, in the audio and in the words."""

from __future__ import annotations

import asyncio

from duologue import Conversation, live
from duologue import messages as m
from duologue.audio import MemorySink
from duologue.local import LocalRealtimeClient

LONG = "One day a fox met a raven with a piece of cheese in its beak. It asked the raven to sing, and waited below."


async def main() -> None:
    sink = MemorySink()  # plays at the pace of a loudspeaker, into memory; take SpeakerSink() to hear it
    conversation = Conversation()
    async with LocalRealtimeClient() as client, client.create_session() as session:
        await session.say(LONG)
        async for message in live(session, sink=sink):
            conversation.feed(message)
            match message:
                case m.OutputAudioDelta() if sink.heard is not None and sink.heard.played_ms > 2_000:
                    await session.interrupt()  # as the user does by speaking
                case m.Interrupted(item_id=item_id, heard_ms=heard_ms):
                    print(f"interrupted after {heard_ms} ms, while saying: {conversation.transcript(item_id or '')}")
                case m.ItemTruncated(item_id=item_id):
                    print(f"heard: {conversation.transcript(item_id)}")
                    break


if __name__ == "__main__":
    asyncio.run(main())
