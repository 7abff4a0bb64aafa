"""Ask something, and read the answer as it is spoken. This is the example of the README."""

import asyncio

from duologue import FunctionInvocation, SessionOptions, tool
from duologue import messages as m
from duologue.local import LocalRealtimeClient


@tool(examples=["what is the weather in {town}"])
def get_weather(town: str) -> str:
    """The weather in a town."""
    return f"It is sunny in {town}."


async def main() -> None:
    client = LocalRealtimeClient().with_middleware(FunctionInvocation())
    async with client, client.create_session(SessionOptions(tools=(get_weather,))) as session:
        await session.send_text("What is the weather in Oslo?")
        async for message in session:
            match message:
                case m.OutputTranscriptDelta(text=text):  # the audio comes as m.OutputAudioDelta
                    print(text, end="", flush=True)
                case m.TurnDone():
                    break
    print()


asyncio.run(main())
