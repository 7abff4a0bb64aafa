"""openai-agents: ``RealtimeRunner``. Arguments: base address, key, the question, the interruption (PCM, 24 kHz)."""

import asyncio
import json
import sys
from pathlib import Path

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeModelSendRawMessage, RealtimeRunner

BASE_URL, KEY = sys.argv[1:3]
QUESTION, INTERRUPTION = (Path(file).read_bytes() for file in sys.argv[3:5])
REPORT = "It is ten to nine. " + "The clock of the tower says the same, and so do all the others of the town. " * 3
CHUNK = 4_800  # bytes: 100 ms


@function_tool
def current_time() -> str:
    """The time of day. Call it for "what time is it" or "tell me the time"."""
    return REPORT


async def say(session, audio):
    for start in range(0, len(audio), CHUNK):
        await session.send_audio(audio[start : start + CHUNK])


async def main():
    agent = RealtimeAgent(name="clock", instructions="Be brief.", tools=[current_time])
    runner = RealtimeRunner(agent)
    url = BASE_URL.replace("http", "ws", 1) + "/realtime?model=gpt-realtime"
    seen = {"errors": []}
    turns = 0
    settings = {"model_name": "gpt-realtime"}
    async with await runner.run(
        model_config={"url": url, "api_key": KEY, "initial_model_settings": settings}
    ) as session:
        await say(session, QUESTION)
        async for event in session:
            match event.type:
                case "tool_end":
                    seen["called"] = event.tool.name
                case "audio" if "spoken" not in seen:
                    seen["spoken"] = bool(event.audio.data)
                    await say(session, INTERRUPTION)
                case "audio_interrupted":
                    seen["interrupted"] = True
                case "history_added" | "history_updated":
                    items = event.history if event.type == "history_updated" else [event.item]
                    for item in items:
                        if getattr(item, "role", "") == "user":
                            for part in item.content:
                                if getattr(part, "transcript", None):
                                    seen.setdefault("heard", part.transcript)
                case "agent_end" if "interrupted" in seen:
                    turns += 1
                    if turns == 2:  # the one that was interrupted, and the answer to the interruption
                        seen["answered_again"] = True
                        message = {"type": "response.cancel", "other_data": {"event_id": "cancel_of_nothing"}}
                        await session.model.send_event(RealtimeModelSendRawMessage(message=message))
                case "error":
                    error = event.error
                    seen["errors"].append([getattr(error, "code", str(error)), getattr(error, "event_id", None)])
                    break
    print(json.dumps(seen))


asyncio.run(main())
