"""The audio loop: a microphone, a session and a loudspeaker together."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from duologue import messages as m
from duologue.audio import AudioSink, AudioSource, Heard
from duologue.errors import InvalidAudio, SessionEnded, SessionFailed
from duologue.formats import PCM16_24K, AudioFormat
from duologue.inbox import Inbox
from duologue.session import RealtimeSession

Work = Callable[[], Coroutine[Any, Any, None]]


def live(
    session: RealtimeSession,
    source: AudioSource | None = None,
    sink: AudioSink | None = None,
    *,
    report_every_ms: float = 20,
) -> AsyncGenerator[m.ServerMessage, None]:
    """Stream `source` into the session, play what it says on `sink`, and yield its messages::

        async for message in live(session, MicrophoneSource(), SpeakerSink()):
            ...

    Playing, and stopping at an `Interrupted`, does not wait for the loop's body. What was heard is reported to the
    session (`OutputAudioPlayed`) before every chunk of the source and at least every `report_every_ms`, so that an
    interruption keeps what was rendered, to within that time.

    When the source ends, `InputAudioEnd` is sent and the loop goes on until the session ends, as iterating over the
    session does. Leaving it earlier, or being cancelled, ends the streaming (``contextlib.aclosing`` waits for that);
    what had arrived and was not yielded is gone then. Session, source and sink stay open: they are the caller's, and
    the sink plays on what it has, until ``await sink.drained()``.

    Args:
        session: An open session, which nobody else reads meanwhile.
        source: The user's audio; None: it is sent elsewhere, or there is none.
        sink: Where to play; None: nowhere.
        report_every_ms: The longest time between two reports of what was heard, in milliseconds.

    Raises:
        InvalidAudio: The source or the sink has another format than the session. Nothing was started.
        SessionEnded: See `RealtimeSession`. What source or sink raise, comes as it is.
    """
    if source is not None:
        _check_source(session, source.format)
    if sink is not None and session.options.output_audio is not None:
        _check_sink(session.options.output_audio, sink.format)
    return _run(_AudioLoop(session, source, sink, report_every_ms / 1000))


async def _run(loop: _AudioLoop) -> AsyncGenerator[m.ServerMessage, None]:
    loop.start()
    try:
        async for message in loop.inbox:
            yield message
    finally:
        await loop.stop()


class _AudioLoop:
    """The tasks between a source, a session and a sink."""

    def __init__(
        self, session: RealtimeSession, source: AudioSource | None, sink: AudioSink | None, report_every: float
    ) -> None:
        self._session = session
        self._source = source
        self._sink = sink
        self._report_every = report_every
        self._tasks: list[asyncio.Task[None]] = []
        self._reported: Heard | None = None
        self._stopped: Heard | None = None  # where the sink was stopped, until that is reported
        self._room = asyncio.Event()
        self._room.set()
        self.inbox = Inbox(self._room.clear, self._room.set)

    def start(self) -> None:
        """Begin to stream."""
        work: list[Work] = [self._read]
        if self._source is not None:
            work.append(functools.partial(self._listen, self._source))
        if self._sink is not None:
            work.append(self._report_regularly)
        self._tasks = [asyncio.create_task(self._guard(part)) for part in work]

    async def stop(self) -> None:
        """End all tasks."""
        self._cancel_tasks()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _guard(self, work: Work) -> None:
        """Run `work`; what it raises ends the loop."""
        try:
            await work()
        except SessionEnded:
            pass  # reading tells
        except Exception as error:  # noqa: BLE001 - raised by the loop
            failed = SessionFailed("The audio loop raised.")
            failed.__cause__ = error
            self._end(failed)
            self._cancel_tasks()

    def _cancel_tasks(self) -> None:
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()

    def _end(self, end: SessionEnded) -> None:
        if self.inbox.end is None:
            self.inbox.ended(end)

    # --- from the session ---

    async def _read(self) -> None:
        try:
            async for message in self._session:
                if self._sink is not None:
                    self._play(message, self._sink)
                self.inbox.received(message)
                await self._room.wait()
        finally:
            if self._session.ended is not None:
                self._end(self._session.ended)

    def _play(self, message: m.ServerMessage, sink: AudioSink) -> None:
        if isinstance(message, m.OutputAudioDelta):
            _check_sink(message.format, sink.format)
            sink.play(message.audio, message.item_id, message.content_index)
        elif isinstance(message, m.Interrupted):
            self._stopped = sink.stop()

    # --- to the session ---

    async def _listen(self, source: AudioSource) -> None:
        async for chunk in source:
            await self._report()  # what this chunk may interrupt is cut at the position that holds now
            await self._session.send_audio(chunk, source.format)
        await self._session.send(m.InputAudioEnd())

    async def _report_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._report_every)
            await self._report()

    async def _report(self) -> None:
        heard = self._stopped or (self._sink.heard if self._sink is not None else None)
        self._stopped = None
        if heard is None or heard == self._reported:
            return
        self._reported = heard
        await self._session.send(
            m.OutputAudioPlayed(
                item_id=heard.item_id,
                content_index=heard.content_index,
                played_ms=heard.played_ms,
                finished=heard.finished,
            )
        )


def _check_source(session: RealtimeSession, given: AudioFormat) -> None:
    taken = session.options.input_audio or PCM16_24K
    if given == taken:
        return
    from duologue.middleware.audio_conversion import AudioConversionLayer

    if session.get_service(AudioConversionLayer) is None:
        raise InvalidAudio(
            f"The source gives {given}, and the session takes {taken}. Use with_middleware(AudioConversion()) to "
            "convert it, or a source of that format."
        )


def _check_sink(given: AudioFormat, taken: AudioFormat) -> None:
    if given != taken:
        raise InvalidAudio(
            f"The session gives {given}, and the sink takes {taken}. Use with_middleware(AudioConversion()) and "
            "SessionOptions(output_audio=sink.format), or a sink of that format."
        )
