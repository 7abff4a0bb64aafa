"""Speech in, speech out: a WAV file is asked, and the answer is written to another one.

python examples/answer_file.py question.wav answer.wav
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing
from pathlib import Path

from duologue import FunctionInvocation, SessionOptions, live
from duologue import messages as m
from duologue.audio import WavSink, WavSource
from duologue.cli import demo_tools
from duologue.formats import PCM16_24K
from duologue.local import LocalRealtimeClient

QUESTION = Path(demo_tools.__file__).parent / "assets" / "time.wav"


async def main(question: Path, answer: Path) -> None:
    client = LocalRealtimeClient().with_middleware(FunctionInvocation())
    async with client, client.create_session(SessionOptions(tools=demo_tools.TOOLS)) as session:
        source = WavSource(question, format=PCM16_24K)  # any rate and kind; comes at the pace of speech
        async with aclosing(WavSink(answer)) as sink, aclosing(live(session, source, sink)) as messages:
            async for message in messages:
                match message:
                    case m.InputTranscriptCompleted(text=text):
                        print(f"you: {text}")
                    case m.OutputTranscriptDone(text=text):
                        print(f"assistant: {text}")
                    case m.TurnDone():
                        break
            await sink.drained()


if __name__ == "__main__":
    files = [Path(argument) for argument in sys.argv[1:]]
    asyncio.run(main(*(files or [QUESTION, Path("answer.wav")])))
