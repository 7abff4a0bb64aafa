"""pydantic-ai: a realtime session. Arguments: base address, key, the question, the interruption (PCM, 24 kHz)."""

import asyncio
import json
import sys
from pathlib import Path

from pydantic_ai import Agent
from pydantic_ai.messages import (
    FunctionToolResultEvent,
    PartDeltaEvent,
    PartEndEvent,
    RealtimeInputSpeechStartEvent,
    RealtimeSessionErrorEvent,
    RealtimeTurnCompleteEvent,
)
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.realtime.openai import OpenAIRealtimeModel

BASE_URL, KEY = sys.argv[1:3]
QUESTION, INTERRUPTION = (Path(file).read_bytes() for file in sys.argv[3:5])
REPORT = "It is ten to nine. " + "The clock of the tower says the same, and so do all the others of the town. " * 3
CHUNK = 4_800  # bytes: 100 ms

agent = Agent(instructions="Be brief.")


@agent.tool_plain
def current_time() -> str:
    """The time of day. Call it for "what time is it" or "tell me the time"."""
    return REPORT


async def say(session, audio):
    for start in range(0, len(audio), CHUNK):
        await session.send_audio(audio[start : start + CHUNK])


async def main():
    model = OpenAIRealtimeModel("gpt-realtime", provider=OpenAIProvider(base_url=BASE_URL, api_key=KEY))
    seen = {"errors": []}
    turns = 0
    async with agent.realtime(model).session() as session:
        await say(session, QUESTION)
        async for event in session:
            match event:
                case FunctionToolResultEvent():
                    seen["called"] = "current_time"
                case PartDeltaEvent(delta=delta) if getattr(delta, "audio_chunk", None) and "spoken" not in seen:
                    seen["spoken"] = True
                    await say(session, INTERRUPTION)
                case RealtimeInputSpeechStartEvent() if "spoken" in seen and "interrupted" not in seen:
                    await session.interrupt(played_ms=100)
                    seen["interrupted"] = True
                case PartEndEvent(part=part) if getattr(part, "speaker", None) == "user":
                    seen.setdefault("heard", part.transcript)
                case RealtimeTurnCompleteEvent() if "interrupted" in seen:
                    turns += 1
                    if turns == 2:
                        seen["answered_again"] = True
                        await session.commit_audio()
                case RealtimeSessionErrorEvent():
                    seen["errors"].append([event.code, event.message])
                    break
    print(json.dumps(seen))


asyncio.run(main())
