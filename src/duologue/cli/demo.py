"""`duologue demo`: a spoken conversation with the embedded provider, by itself."""

from __future__ import annotations

import asyncio
import time
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
    sink = SpeakerSink(format=PCM16_24K) if speaker else SilentSink(PCM16_24K)
    recorder = open_recorder(save)
    try:
        demo = Demo(console, sink, recorder)
        await demo.converse(demo_client())
    finally:
        await sink.aclose()
        if recorder is not None:
            recorder.close()
    went_well = demo.report()
    if save is not None:
        demo.print(f"{save} holds the conversation: you on the left, the assistant on the right.")
    return went_well


def demo_client() -> RealtimeClient:
    """The embedded provider, with a story to tell."""
    from duologue.local import LocalRealtimeClient

    return LocalRealtimeClient(responder=RulesResponder(RULES)).with_middleware(FunctionInvocation())


class Demo:
    """The conversation, with its bookkeeping.

    Args:
        console: Where it is shown.
        sink: Where the answers sound.
        recorder: What records it.
    """

    def __init__(self, console: Console, sink: AudioSink, recorder: ConversationRecorder | None = None) -> None:
        self._console = console
        self._recorder = recorder
        self._sink = recorder.sink(sink) if recorder is not None else sink
        self._voice = Playlist()
        self._log = TurnLog(spoken_until=self._spoken_until)
        self._asked: list[Asked] = []
        self._asking: Question | None = None
        self._timers, self._lights = Timers(), Lights()
        self._seconds_left: list[float] = []

    async def converse(self, client: RealtimeClient) -> None:
        """Hold the conversation, and close `client`.

        Raises:
            MissingDependency: A speech engine is not installed.
            SessionEnded: The session ended by itself.
        """
        options = SessionOptions(tools=home_tools(self._timers, self._lights))
        view = ConversationView(self._console, self._log)
        started = time.monotonic()
        try:
            async with client, client.create_session(options) as session:
                view.note(f"The speech engines are ready after {time.monotonic() - started:.1f} s.")
                await self._run(session, view)
        finally:
            await self._voice.aclose()
            self._seconds_left = self._timers.seconds_left
            await self._timers.aclose()

    def report(self) -> bool:
        """Print what came of it; whether that is what should have come."""
        report = DemoReport(self._log, self._asked)
        self._console.print()
        self._console.print(report.table())
        self.print(report.latency())
        for seconds in self._seconds_left:
            self.print(f"The timer still had {seconds // 60:.0f} min {seconds % 60:.0f} s to go.")
        self.print(f"{report.right} of {len(QUESTIONS)} turns are right.")
        return report.right == len(QUESTIONS)

    def print(self, text: str) -> None:
        """Print a line that is no part of the conversation."""
        self._console.print(text, soft_wrap=True, highlight=False, markup=False)

    async def _run(self, session: RealtimeSession, view: ConversationView) -> None:
        await converse(session, self._voice, self._sink, log=self._log, view=view, script=self._ask_all())

    async def _ask_all(self) -> None:
        for question in QUESTIONS:
            turn = await self._ask(question)
            self._asked.append(Asked(question, turn))
            if turn is not None and question.cut_after_ms is not None:
                await self._until_heard(turn, question.cut_after_ms)
            elif turn is not None:
                await self._log.until_over(turn, _LONGEST_TURN_SECONDS)
                await self._sink.drained()
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _ask(self, question: Question) -> Turn | None:
        known = len(self._log.turns)
        self._asking = question
        recording = open_recording(question.file)
        await self._voice.play(self._recorder.source(recording) if self._recorder is not None else recording)
        return self._log.turns[known] if len(self._log.turns) > known else None

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
