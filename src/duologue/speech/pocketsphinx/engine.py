"""Speech to text with PocketSphinx, as the event loop sees it."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec

import msgspec

from duologue.errors import MissingDependency, SpeechFailed, UnsupportedOperation
from duologue.speech.pocketsphinx.frames import (
    Begin,
    Cancel,
    Failed,
    Feed,
    Final,
    Finish,
    FrameReader,
    FromWorker,
    Partial,
    Ready,
    ToWorker,
    pack,
)
from duologue.speech.pocketsphinx.language_model import plain_words
from duologue.speech.stages import Transcript

logger = logging.getLogger("duologue.speech")

_READY_S = 30.0
_KEPT = 10 * 60 * 32_000  # bytes of an utterance that are kept to replay them: ten minutes
_START = ("-c", "from duologue.speech.pocketsphinx.worker import main; main()", "--prewarm")


class PocketSphinxSpeechToText:
    """English speech to text without a download: good with hints, modest in free dictation.

    With hints, a small language model is built from them, and words outside of them are not recognised. The work is
    done in worker processes, which this engine starts, watches and ends; an utterance survives the death of its worker
    once.

    Args:
        workers: Processes; None: one for every core, at most four.
        min_confidence: Below it, what was recognised with hints counts as not understood, 0 to 1.
    """

    sample_rate = 16_000

    def __init__(self, *, workers: int | None = None, min_confidence: float = 0.03) -> None:
        count = workers if workers is not None else min(4, os.cpu_count() or 1)
        self._min_confidence = min_confidence
        self._workers = [_Worker() for _ in range(count)]
        self._is_closed = False

    async def start(self) -> None:
        """Start the workers, and wait until they are ready.

        Raises:
            MissingDependency: PocketSphinx is not installed.
            SpeechFailed: A worker does not come up.
        """
        if self._is_closed:
            raise SpeechFailed("This speech-to-text engine is closed. Make a new one.")
        if find_spec("pocketsphinx") is None:
            raise MissingDependency("pocketsphinx", 'Install it: pip install "duologue[local]" (Python below 3.14).')
        await asyncio.gather(*(worker.start() for worker in self._workers))

    def utterance(
        self,
        *,
        hints: tuple[str, ...] = (),
        language: str | None = None,
        on_partial: Callable[[str], None] | None = None,
    ) -> PocketSphinxUtterance:
        """Begin an utterance.

        Raises:
            UnsupportedOperation: The language is not English.
            SpeechFailed: The engine is closed, or was not started.
        """
        if self._is_closed:
            raise SpeechFailed("This speech-to-text engine is closed. Make a new one.")
        if language is not None and language.lower().partition("-")[0] != "en":
            way_out = "Bring another SpeechToText."
            raise UnsupportedOperation(f"speech in the language {language!r}", "PocketSphinx", way_out)
        worker = min(self._workers, key=lambda each: each.load)
        plain = tuple(sorted({words for hint in hints if (words := plain_words(hint))}))
        utterance = PocketSphinxUtterance(worker, plain, self._min_confidence, on_partial)
        worker.begin(utterance)
        return utterance

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The ids of the worker processes that run."""
        return tuple(worker.process_id for worker in self._workers if worker.process_id is not None)

    async def aclose(self) -> None:
        """End the workers. Utterances that are open fail."""
        self._is_closed = True
        await asyncio.gather(*(worker.aclose() for worker in self._workers))


class PocketSphinxUtterance:
    """One utterance on its way through a worker."""

    def __init__(
        self,
        worker: _Worker,
        hints: tuple[str, ...],
        min_confidence: float,
        on_partial: Callable[[str], None] | None,
    ) -> None:
        self.hints = hints
        self.audio = bytearray()  # to be replayed if the worker dies
        self.number = 0  # its name in the worker
        self.is_finished = False
        self.has_failed_once = False
        self._worker = worker
        self._min_confidence = min_confidence
        self._on_partial = on_partial
        self._result: asyncio.Future[Transcript] = asyncio.get_running_loop().create_future()
        self._result.add_done_callback(_retrieve)

    def feed(self, audio: bytes) -> None:
        """Take the next s16le samples at 16 kHz; never waits."""
        if self.is_finished or self._result.done():
            return
        if len(self.audio) + len(audio) > _KEPT:
            del self.audio[: len(audio)]
        self.audio += audio
        self._worker.feed(self, audio)

    async def finish(self) -> Transcript:
        """The words.

        Raises:
            SpeechFailed: The worker died twice over it, or the engine was closed.
        """
        if not self.is_finished:
            self.is_finished = True
            self._worker.finish(self)
        return await asyncio.shield(self._result)

    def cancel(self) -> None:
        """Throw it away."""
        if not self._result.done():
            self._worker.cancel(self)
            self.fail("The utterance was cancelled.")

    def partial(self, text: str) -> None:
        """The worker has these words so far."""
        if self._on_partial is not None and not self._result.done():
            self._on_partial(text)

    def done(self, text: str, confidence: float | None) -> None:
        """The worker has all words."""
        if self._result.done():
            return
        is_sure = not self.hints or (confidence is not None and confidence >= self._min_confidence)
        self._result.set_result(Transcript(text=text, confidence=confidence, understood=bool(text) and is_sure))

    def fail(self, reason: str) -> None:
        """There will be no words."""
        if not self._result.done():
            self._result.set_exception(SpeechFailed(reason))


def _retrieve(result: asyncio.Future[Transcript]) -> None:
    if not result.cancelled():
        result.exception()  # nobody has to wait for it


class _Worker:
    """One worker process, started anew when it dies."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._numbers = 0
        self._utterances: dict[int, PocketSphinxUtterance] = {}
        self._is_closed = False
        self._starting = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def load(self) -> int:
        """How many utterances it has."""
        return len(self._utterances)

    @property
    def process_id(self) -> int | None:
        """The id of the process, while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process is not None and running else None

    async def start(self) -> None:
        """Start the process, unless it runs, and wait until it is ready."""
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not loop:
            raise SpeechFailed("A speech-to-text engine belongs to the event loop that started it. Make another one.")
        self._loop = loop
        async with self._starting:
            if self._reading is None:
                self._reading = asyncio.create_task(self._run(), name="duologue speech worker")
        waiting = asyncio.ensure_future(self._ready.wait())
        try:
            done, _ = await asyncio.wait(
                {waiting, self._reading}, timeout=_READY_S, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            waiting.cancel()
        if waiting not in done:
            raise SpeechFailed("The speech-to-text worker does not start. `duologue doctor` may tell why.")

    # --- utterances ---

    def begin(self, utterance: PocketSphinxUtterance) -> None:
        """Take an utterance on."""
        self._numbers += 1
        utterance.number = self._numbers
        self._utterances[utterance.number] = utterance
        self._write(Begin(utterance.number, utterance.hints))

    def feed(self, utterance: PocketSphinxUtterance, audio: bytes) -> None:
        """More of its audio."""
        if utterance.number in self._utterances:
            self._write(Feed(utterance.number, audio))

    def finish(self, utterance: PocketSphinxUtterance) -> None:
        """That was all of it."""
        if utterance.number in self._utterances:
            self._write(Finish(utterance.number))

    def cancel(self, utterance: PocketSphinxUtterance) -> None:
        """It is not wanted any more."""
        if self._utterances.pop(utterance.number, None) is not None:
            self._write(Cancel(utterance.number))

    def _write(self, frame: ToWorker) -> None:
        if self._process is not None and self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(pack(frame))

    # --- the process ---

    async def _run(self) -> None:
        """Keep a process running, and take what it says."""
        failures = 0
        while not self._is_closed and failures < 3:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *_START,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the parent, which then decides
            )
            try:
                self._replay()
                was_ready = await self._read(self._process)
            finally:
                await self._end_process(self._process)
            if self._is_closed:
                return
            failures = 0 if was_ready else failures + 1
            logger.warning(
                "A speech-to-text worker died (exit status %s); another takes over.", self._process.returncode
            )
            self._blame()
        self._is_closed = True
        for utterance in self._utterances.values():
            utterance.fail("The speech-to-text worker cannot be kept running. `duologue doctor` may tell why.")
        self._utterances.clear()

    async def _read(self, process: asyncio.subprocess.Process) -> bool:
        """Take frames until the process ends. Whether it became ready."""
        assert process.stdout is not None
        reader = FrameReader()
        decoder = msgspec.msgpack.Decoder(FromWorker)
        was_ready = False
        while data := await process.stdout.read(1 << 16):
            for body in reader.feed(data):
                frame = decoder.decode(body)
                was_ready = was_ready or isinstance(frame, Ready)
                self._handle(frame)
        return was_ready

    def _handle(self, frame: FromWorker) -> None:
        match frame:
            case Ready():
                self._ready.set()
            case Partial(number=number, text=text):
                if utterance := self._utterances.get(number):
                    utterance.partial(text)
            case Final(number=number, text=text, confidence=confidence):
                if utterance := self._utterances.pop(number, None):
                    utterance.done(text, confidence)
            case Failed(number=number, reason=reason):
                if utterance := self._utterances.pop(number, None):
                    utterance.fail(reason)

    def _replay(self) -> None:
        """Tell a new process what the one before it knew."""
        for number, utterance in self._utterances.items():
            self._write(Begin(number, utterance.hints))
            if utterance.audio:
                self._write(Feed(number, bytes(utterance.audio)))
            if utterance.is_finished:
                self._write(Finish(number))

    def _blame(self) -> None:
        """An utterance that was there when two processes died gets no third."""
        for number, utterance in list(self._utterances.items()):
            if utterance.has_failed_once:
                del self._utterances[number]
                utterance.fail("The speech-to-text worker died twice over this utterance.")
            utterance.has_failed_once = True

    async def _end_process(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(1.0):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        except BaseException:
            process.kill()
            raise

    async def aclose(self) -> None:
        self._is_closed = True
        for utterance in self._utterances.values():
            utterance.fail("The speech-to-text engine was closed.")
        self._utterances.clear()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)
