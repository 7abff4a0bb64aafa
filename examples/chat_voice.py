"""Give a chat model a voice: any OpenAI-compatible endpoint answers, and the answer is spoken.

python examples/chat_voice.py --url http://localhost:11434/v1 --model llama3.2 "Why is the sky blue?"
OPENAI_API_KEY=... python examples/chat_voice.py --model MODEL --mic
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Sequence
from contextlib import aclosing

from duologue import FunctionInvocation, SessionOptions, live, tool
from duologue import messages as m
from duologue.audio import AudioSink, AudioSource, MicrophoneSource, SpeakerSink, WavSink
from duologue.local import LocalRealtimeClient
from duologue.speech.chat import ChatResponder


@tool
def count_letters(word: str, letter: str) -> int:
    """How often a letter occurs in a word."""
    return word.lower().count(letter.lower())


async def converse(responder: ChatResponder, source: AudioSource | None, sink: AudioSink, questions: list[str]) -> None:
    """Ask the questions; then, with a microphone, go on until Ctrl-C."""
    client = LocalRealtimeClient(responder=responder).with_middleware(FunctionInvocation())
    options = SessionOptions(instructions="You are a cheerful guide. Answer in one sentence.", tools=(count_letters,))
    async with client, client.create_session(options) as session:
        waiting = list(questions)
        if waiting:
            await session.send_text(waiting.pop(0))
        async with aclosing(live(session, source, sink)) as messages:
            async for message in messages:
                match message:
                    case m.InputTranscriptCompleted(text=text):
                        print(f"you: {text}")
                    case m.OutputTranscriptDelta(text=text):  # comes while the model still writes
                        print(text, end="", flush=True)
                    case m.ResponseDone(error=m.ErrorDetail(message=text)):
                        print(f"failed: {text}")
                    case m.TurnDone():
                        print()
                        await sink.drained()
                        if waiting:
                            await session.send_text(waiting.pop(0))
                        elif source is None:
                            break


async def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Give a chat model a voice.")
    parser.add_argument("questions", nargs="*", help="what to ask")
    parser.add_argument("--url", default=os.environ.get("CHAT_URL"), help="the API; by default OpenAI's")
    parser.add_argument("--model", default=os.environ.get("CHAT_MODEL"), help="the model's name there")
    parser.add_argument("--mic", action="store_true", help="talk: listen to the microphone, play on the speaker")
    parser.add_argument("--save", default="answer.wav", help="where the spoken answers go, without --mic")
    given = parser.parse_args(arguments)
    if not given.model or not (given.questions or given.mic):
        parser.error("name a model with --model, and ask something or use --mic")
    responder = ChatResponder(given.model, base_url=given.url, api_key=os.environ.get("CHAT_KEY"))
    source = MicrophoneSource() if given.mic else None
    async with aclosing(SpeakerSink() if given.mic else WavSink(given.save)) as sink:
        await converse(responder, source, sink, given.questions)


if __name__ == "__main__":
    asyncio.run(main())
