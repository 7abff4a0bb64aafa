"""Ask something, and read the answer as it is spoken. This is the example of the README."""

import asyncio

from duologue import messages as m
from duologue.local import LocalRealtimeClient


async def main() -> None:
    async with LocalRealtimeClient() as client, client.create_session() as session:
        await session.send_text("Who are you?")
        async for message in session:
            match message:
                case m.OutputTranscriptDelta(text=text):  # the audio comes as m.OutputAudioDelta
                    print(text, end="", flush=True)
                case m.TurnDone():
                    break
    print()


asyncio.run(main())
