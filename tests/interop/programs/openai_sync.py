"""openai: ``OpenAI().realtime``, without ``async``. Arguments: base address, key, the question, the interruption."""

import base64
import json
import sys
from pathlib import Path

from openai import OpenAI

BASE_URL, KEY, QUESTION, INTERRUPTION = sys.argv[1:5]
TOOL = {
    "type": "function",
    "name": "current_time",
    "description": 'The time of day. Call it for "what time is it" or "tell me the time".',
    "parameters": {"type": "object", "properties": {}},
}
REPORT = "It is ten to nine. " + "The clock of the tower says the same, and so do all the others of the town. " * 3


def say(connection, file):
    connection.input_audio_buffer.append(audio=base64.b64encode(Path(file).read_bytes()).decode())


def until(connection, kind, matches=lambda event: True):
    for event in connection:
        if event.type == "error" and kind != "error":
            raise AssertionError(event)
        if event.type == kind and matches(event):
            return event
    raise AssertionError(f"The connection ended before {kind}.")


client = OpenAI(base_url=BASE_URL, api_key=KEY)
with client.realtime.connect(model="gpt-realtime") as connection:
    created = until(connection, "session.created")
    transcription = {"model": "gpt-4o-mini-transcribe"}
    session = {"type": "realtime", "tools": [TOOL], "audio": {"input": {"transcription": transcription}}}
    connection.session.update(session=session)
    until(connection, "session.updated")

    say(connection, QUESTION)
    heard = until(connection, "conversation.item.input_audio_transcription.completed")
    (call,) = until(connection, "response.done").response.output
    connection.conversation.item.create(
        item={"type": "function_call_output", "call_id": call.call_id, "output": REPORT}
    )
    connection.response.create(response={"metadata": {"purpose": "report"}})
    begun = until(connection, "response.created")

    audio = until(connection, "response.output_audio.delta")
    say(connection, INTERRUPTION)
    until(connection, "input_audio_buffer.speech_started")
    connection.conversation.item.truncate(item_id=audio.item_id, content_index=0, audio_end_ms=100)
    truncated = until(connection, "conversation.item.truncated")
    after = until(connection, "response.done", lambda event: event.response.id != begun.response.id)
    connection.response.cancel(event_id="cancel_of_nothing")
    error = until(connection, "error")
client.close()
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
