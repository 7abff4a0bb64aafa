"""`duologue demo`: a spoken conversation with the embedded provider, by itself."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

from rich.console import Console

from duologue.audio import AudioSink, ConversationRecorder, SpeakerSink
from duologue.cli.converse import converse, open_recorder
from duologue.cli.demo_report import Asked, DemoReport
from duologue.cli.demo_script import QUESTIONS, RULES, Question
from duologue.cli.demo_tools import Lights, Timers, home_tools
from duologue.cli.sound import Playlist, SilentSink, open_recording
from duologue.cli.terminal import ConversationView
from duologue.cli.turns import Turn, TurnLog
from duologue.client import RealtimeClient
from duologue.formats import PCM16_24K
from duologue.middleware import FunctionInvocation
from duologue.options import SessionOptions
from duologue.session import RealtimeSession
from duologue.speech.rules import RulesResponder

_PAUSE_SECONDS = 0.3  # between an answer and the next question
_LONGEST_TURN_SECONDS = 20.0
_LOOK_SECONDS = 0.02  # how often to look how far playback is


async def run_demo(console: Console, *, save: Path | None, speaker: bool) -> bool:
    """Hold the demo's conversation; whether all of it went as it should.

    Raises:
        DeviceUnavailable: There is no speaker.
        InvalidInput: The recording cannot be written.
        MissingDependency: Something that it needs is not installed.
    """
    started = time.monotonic()
    async with AsyncExitStack() as stack:
        sink = SpeakerSink(format=PCM16_24K) if speaker else SilentSink(PCM16_24K)
        await stack.enter_async_context(aclosing(sink))
        timers = await stack.enter_async_context(aclosing(Timers()))
        client = await stack.enter_async_context(demo_client())
        options = SessionOptions(tools=home_tools(timers, Lights()))
        session = await stack.enter_async_context(client.create_session(options))
        _print(console, f"The speech engines are ready after {time.monotonic() - started:.1f} s.")
        if recorder := open_recorder(save):
            stack.enter_context(recorder)
        demo = Demo(console, session, sink, recorder)
        await demo.converse()
        seconds_left = timers.seconds_left
    went_well = demo.report()
    for seconds in seconds_left:
        _print(console, f"The timer still had {seconds // 60:.0f} min {seconds % 60:.0f} s to go.")
    if save is not None:
        _print(console, f"{save} holds the conversation: you on the left, the assistant on the right.")
    return went_well


def demo_client() -> RealtimeClient:
    """The embedded provider, with a story to tell."""
    from duologue.local import LocalRealtimeClient

    return LocalRealtimeClient(responder=RulesResponder(RULES)).with_middleware(FunctionInvocation())


class Demo:
    """The conversation, with its bookkeeping.

    Args:
        console: Where it is shown.
        session: Who answers.
        sink: Where the answers sound.
        recorder: What records it.
    """

    def __init__(
        self, console: Console, session: RealtimeSession, sink: AudioSink, recorder: ConversationRecorder | None = None
    ) -> None:
        self._console = console
        self._session = session
        self._recorder = recorder
        self._sink = recorder.sink(sink) if recorder is not None else sink
        self._voice = Playlist()
        self._log = TurnLog(spoken_until=self._spoken_until)
        self._asking: Question | None = None
        self._asked: list[Asked] = []

    async def converse(self) -> None:
        """Ask all questions, and show what comes of them.

        Raises:
            SessionEnded: The session ended by itself.
        """
        view = ConversationView(self._console, self._log)
        async with aclosing(self._voice):
            await converse(self._session, self._voice, self._sink, log=self._log, view=view, script=self._ask_all())

    def report(self) -> bool:
        """Print what came of it; whether that is what should have come."""
        report = DemoReport(self._log, self._asked)
        self._console.print()
        self._console.print(report.table())
        _print(self._console, report.latency())
        _print(self._console, f"{report.right} of {len(QUESTIONS)} turns are right.")
        return report.right == len(QUESTIONS)

    async def _ask_all(self) -> None:
        for question in QUESTIONS:
            known = len(self._log.turns)
            await self._ask(question)
            turn = self._log.turns[known] if len(self._log.turns) > known else None
            self._asked.append(Asked(question, turn))
            if turn is not None and question.cut_after_ms is not None:
                await self._until_heard(turn, question.cut_after_ms)
            elif turn is not None:
                await self._log.until_over(known, _LONGEST_TURN_SECONDS)
                await self._sink.drained()
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _ask(self, question: Question) -> None:
        self._asking = question
        recording = open_recording(question.file)
        await self._voice.play(self._recorder.source(recording) if self._recorder is not None else recording)

    async def _until_heard(self, turn: Turn, played_ms: float) -> None:
        deadline = time.monotonic() + _LONGEST_TURN_SECONDS
        while time.monotonic() < deadline:
            heard = self._sink.heard
            if heard is not None and heard.item_id in turn.item_ids and heard.played_ms >= played_ms:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    def _spoken_until(self) -> float | None:
        if self._asking is None or self._voice.started_at is None:
            return None
        return self._voice.started_at + self._asking.speech_ms / 1000


def _print(console: Console, text: str) -> None:
    """Print a line that is no part of the conversation."""
    console.print(text, soft_wrap=True, highlight=False, markup=False)
