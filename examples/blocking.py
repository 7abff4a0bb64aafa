"""A conversation without `async`: with a tool, and with the same events as everywhere."""

from __future__ import annotations

import time

from duologue import SessionOptions, tool
from duologue import messages as m
from duologue.sync import RealtimeClient


@tool(examples=["what time is it"])
def tell_time() -> str:
    """Tell the time. A function of the options is run by itself, in a thread."""
    return time.strftime("It is %H:%M.")


def say(client: RealtimeClient, text: str) -> None:
    """Ask, and print the answer as it is spoken."""
    print(f"you: {text}\nassistant: ", end="")
    client.send_text(text)
    for event in client:
        match event:
            case m.OutputTranscriptDelta(text=words):  # the audio comes as m.OutputAudioDelta
                print(words, end="", flush=True)
            case m.TurnDone():
                break  # without it, the loop waits for more
    print()


def main() -> None:
    # RealtimeClient(api_key="...", model="gpt-realtime") talks to OpenAI; the rest stays.
    with RealtimeClient(provider="local", options=SessionOptions(tools=(tell_time,))) as client:
        say(client, "Who are you?")
        say(client, "What time is it?")


if __name__ == "__main__":
    main()
