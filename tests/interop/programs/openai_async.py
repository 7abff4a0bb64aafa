"""openai: ``AsyncOpenAI().realtime``. Arguments: base address, key, the question, the interruption (PCM, 24 kHz)."""

import asyncio
import base64
import json
import sys
from pathlib import Path

from openai import AsyncOpenAI

BASE_URL, KEY = sys.argv[1:3]
QUESTION, INTERRUPTION = (Path(file).read_bytes() for file in sys.argv[3:5])
CHUNK = 4_800  # bytes: 100 ms
TOOL = {
    "type": "function",
    "name": "current_time",
    "description": 'The time of day. Call it for "what time is it" or "tell me the time".',
    "parameters": {"type": "object", "properties": {}},
}
REPORT = "It is ten to nine. " + "The clock of the tower says the same, and so do all the others of the town. " * 3


async def say(connection, audio):
    for start in range(0, len(audio), CHUNK):
        await connection.input_audio_buffer.append(audio=base64.b64encode(audio[start : start + CHUNK]).decode())


async def until(connection, kind, matches=lambda event: True):
    async for event in connection:
        if event.type == "error" and kind != "error":
            raise AssertionError(event)
        if event.type == kind and matches(event):
            return event
    raise AssertionError(f"The connection ended before {kind}.")


async def main():
    client = AsyncOpenAI(base_url=BASE_URL, api_key=KEY)
    async with client.realtime.connect(model="gpt-realtime") as connection:
        created = await until(connection, "session.created")
        await connection.session.update(
            session={
                "type": "realtime",
                "instructions": "Be brief.",
                "tools": [TOOL],
                "tool_choice": "auto",
                "audio": {
                    "input": {
                        "transcription": {"model": "gpt-4o-mini-transcribe"},
                        "turn_detection": {"type": "server_vad"},
                    },
                    "output": {"voice": "marin"},
                },
            }
        )
        await until(connection, "session.updated")

        await say(connection, QUESTION)
        heard = await until(connection, "conversation.item.input_audio_transcription.completed")
        done = await until(connection, "response.done")
        (call,) = done.response.output
        await connection.conversation.item.create(
            item={"type": "function_call_output", "call_id": call.call_id, "output": REPORT}
        )
        await connection.response.create(response={"metadata": {"purpose": "report"}})
        begun = await until(connection, "response.created")

        audio = await until(connection, "response.output_audio.delta")
        await say(connection, INTERRUPTION)
        await until(connection, "input_audio_buffer.speech_started")
        await connection.conversation.item.truncate(item_id=audio.item_id, content_index=0, audio_end_ms=100)
        truncated = await until(connection, "conversation.item.truncated")

        after = await until(connection, "response.done", lambda event: event.response.id != begun.response.id)
        await connection.send({"type": "response.cancel", "event_id": "cancel_of_nothing"})
        error = await until(connection, "error")
    await client.close()
    print(
        json.dumps(
            {
                "session": created.session.type,
                "heard": heard.transcript,
                "called": call.name,
                "metadata": begun.response.metadata,
                "spoken": bool(audio.delta),
                "interrupted": truncated.item_id == audio.item_id,
                "answered_again": after.response.status,
                "error": [error.error.code, error.error.event_id],
            }
        )
    )


asyncio.run(main())
