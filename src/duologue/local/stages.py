"""The stages at work for one session: carries out what the engine orders, and tells it what came of it."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable, Coroutine
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, TypeVar

from duologue.audio.convert import Converter
from duologue.errors import DuologueError
from duologue.formats import PCM16_16K, AudioFormat
from duologue.local import commands as c
from duologue.local.engine import LocalEngine
from duologue.speech.responder import Finished, Responder
from duologue.speech.stages import SpeechToText, TextToSpeech, Transcript, Utterance
from duologue.tools import Tool

Result = TypeVar("Result")

logger = logging.getLogger("duologue.local")


class StageFailed(Exception):
    """A stage raised. The text is safe to show."""


class Stages:
    """Runs the stages beside a session. A stage that fails fails its response or its transcript, not the session.

    Args:
        engine: The session's state machine.
        speech_to_text: The client's engine.
        responder: The client's responder.
        text_to_speech: The client's engine.
        now: The session's time, in s.
        changed: Called after the engine was told something.
        failed: Called with what should never be raised.
    """

    def __init__(
        self,
        engine: LocalEngine,
        speech_to_text: SpeechToText,
        responder: Responder,
        text_to_speech: TextToSpeech,
        *,
        now: Callable[[], float],
        changed: Callable[[], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._engine = engine
        self._speech_to_text = speech_to_text
        self._responder = responder
        self._text_to_speech = text_to_speech
        self._now = now
        self._changed = changed
        self._failed = failed
        self._utterances: dict[str, _OpenUtterance] = {}
        self._tasks: dict[asyncio.Task[None], str] = {}  # with the response or item that they work for
        self._room = asyncio.Event()  # set whenever audio may have gone out
        self._flowing = asyncio.Event()  # clear while nobody takes what comes out
        self._flowing.set()

    def carry_out(self, command: c.Command) -> None:
        """Do what the engine orders. Never waits, and raises nothing that a stage raises."""
        match command:
            case c.FeedUtterance(item_id=item_id, audio=audio):
                if utterance := self._utterances.get(item_id):
                    utterance.feed(audio)
            case c.BeginUtterance(item_id=item_id):
                self._utterances[item_id] = _OpenUtterance(self._begin_utterance(command), self._speech_to_text)
            case c.FinishUtterance(item_id=item_id):
                if utterance := self._utterances.get(item_id):
                    self._spawn(self._transcribe(item_id, utterance), item_id)
            case c.CancelUtterance(item_id=item_id):
                if utterance := self._utterances.pop(item_id, None):
                    utterance.cancel()
                self._stop(item_id)
            case c.PrepareHints(tools=tools):
                self._spawn(self._prepare_hints(tools), "hints")
            case c.Answer(response_id=response_id):
                self._work("responder", response_id, partial(self._answer, command))
            case c.Speak(response_id=response_id):
                self._work("text-to-speech engine", response_id, partial(self._speak, command))
            case c.StopResponse(response_id=response_id):
                self._stop(response_id)

    def audio_has_gone_out(self) -> None:
        """There may be room for more."""
        self._room.set()

    def pause(self) -> None:
        """Nobody takes what comes out: make no more of it."""
        self._flowing.clear()

    def resume(self) -> None:
        """Go on."""
        self._flowing.set()

    async def aclose(self) -> None:
        """Stop everything, and wait until it has stopped."""
        for utterance in self._utterances.values():
            utterance.cancel()
        self._utterances.clear()
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- speech to text ---

    def _begin_utterance(self, command: c.BeginUtterance) -> Callable[[], Utterance]:
        def words_so_far(text: str) -> None:
            self._engine.transcript_partial(command.item_id, text)
            self._changed()

        return lambda: self._speech_to_text.utterance(
            hints=command.hints, language=command.language, on_partial=words_so_far
        )

    async def _prepare_hints(self, tools: tuple[Tool, ...]) -> None:
        with suppress(StageFailed):  # an utterance will meet it again, and tell
            await _guarded("responder", lambda: asyncio.to_thread(self._responder.expects, tools))

    async def _transcribe(self, item_id: str, utterance: _OpenUtterance) -> None:
        try:
            transcript = await _guarded("speech-to-text engine", utterance.finish)
        except StageFailed as failure:
            self._engine.transcript_failed(item_id, str(failure), self._now())
        else:
            self._engine.transcript_done(item_id, transcript, self._now())
        del self._utterances[item_id]  # whoever cancels this task has done that
        self._changed()

    # --- the answer ---

    def _work(self, stage: str, response_id: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def work_for_response() -> None:
            try:
                await _guarded(stage, work)
            except StageFailed as failure:
                self._engine.stage_failed(response_id, str(failure), self._now())
                self._changed()

        self._spawn(work_for_response(), response_id)

    async def _answer(self, command: c.Answer) -> None:
        async with aclosing(self._responder.respond(command.request)) as events:
            async for event in events:
                self._engine.responder_event(command.response_id, event, self._now())
                self._changed()
                if isinstance(event, Finished):
                    break
                await self._flowing.wait()
        self._engine.responder_done(command.response_id, self._now())
        self._changed()

    async def _speak(self, command: c.Speak) -> None:
        response_id = command.response_id
        speech = self._text_to_speech.synthesize(command.text, voice=command.voice, speed=command.speed)
        async with aclosing(speech) as chunks:
            async for chunk in chunks:
                self._engine.speech_chunk(response_id, chunk, self._now())
                self._changed()
                await self._flowing.wait()
                while not self._engine.has_room(response_id):
                    self._room.clear()
                    await self._room.wait()
        self._engine.speech_done(response_id, self._now())
        self._changed()

    # --- tasks ---

    def _spawn(self, work: Coroutine[Any, Any, None], owner: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"duologue local {owner}")
        self._tasks[task] = owner
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)

    def _stop(self, owner: str) -> None:
        for task, worked_for in self._tasks.items():
            if worked_for == owner and task is not asyncio.current_task():
                task.cancel()


class _OpenUtterance:
    """An utterance that is fed at the engine's rate, and keeps what it raises until its end: it is asked for there."""

    def __init__(self, begin: Callable[[], Utterance], speech_to_text: SpeechToText) -> None:
        self._converter = Converter(PCM16_16K, AudioFormat("pcm16", speech_to_text.sample_rate))
        self._utterance: Utterance | None = None
        self._error: Exception | None = None
        try:
            self._utterance = begin()
        except Exception as error:  # noqa: BLE001 - raised by finish
            self._error = error

    def feed(self, audio: bytes) -> None:
        """Take the next audio: s16le mono at 16 kHz."""
        self._feed(self._converter.process(audio))

    async def finish(self) -> Transcript:
        """The transcript of it all; raises what the stage raised, now or before."""
        self._feed(self._converter.flush())
        if self._error is not None:
            raise self._error
        assert self._utterance is not None
        return await self._utterance.finish()

    def cancel(self) -> None:
        """Throw it away."""
        if self._utterance is not None:
            self._utterance.cancel()

    def _feed(self, audio: bytes) -> None:
        if self._utterance is None or self._error is not None or not audio:
            return
        try:
            self._utterance.feed(audio)
        except Exception as error:  # noqa: BLE001 - raised by finish
            self._error = error
            self._utterance.cancel()


async def _guarded(stage: str, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Do `work`, and turn what a stage raises into `StageFailed`. Being cancelled passes."""
    try:
        return await work()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise _failure(stage, error) from None  # something that the stage waited for was cancelled
    except Exception as error:  # noqa: BLE001 - told to the reader, and logged
        raise _failure(stage, error) from None


def _failure(stage: str, error: BaseException) -> StageFailed:
    if isinstance(error, DuologueError):
        return StageFailed(str(error))
    reason = f"The {stage} raised {type(error).__name__}."
    # Where, and not what it says: its text may hold anything.
    logger.error("%s\n%s", reason, "".join(traceback.format_tb(error.__traceback__)))
    return StageFailed(reason)
