"""`duologue talk`: a conversation with any provider, from recordings, typed text or the microphone."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import msgspec
from rich.console import Console

from duologue import messages as m
from duologue.audio import AudioSink, AudioSource, ConversationRecorder, MicrophoneSource, SpeakerSink, WavSource
from duologue.capabilities import Capabilities
from duologue.cli.converse import converse, open_recorder
from duologue.cli.exits import FAILED, REFUSED, complain
from duologue.cli.json_lines import JsonLinesView
from duologue.cli.providers import ProviderRequest, make_client
from duologue.cli.sound import Playlist, SilentSink, open_recording
from duologue.cli.terminal import ConversationView, View
from duologue.cli.turns import TurnLog
from duologue.errors import DeviceUnavailable, InvalidAudio, MissingDependency
from duologue.formats import PCM16_24K, AudioFormat
from duologue.middleware import AudioConversion, FunctionInvocation
from duologue.middleware.recording import Recording
from duologue.options import SessionOptions
from duologue.session import RealtimeSession

_GRACE_SECONDS = 3.0  # for a turn to begin, after all of a recording was sent


class TalkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for.

    Attributes:
        provider: The provider's name.
        request: What it is told about the provider.
        options: The session's options.
        files: Recordings, a turn each.
        texts: Typed turns, after the recordings.
        microphone: Whether to listen to the microphone instead.
        save: Where the recording of the conversation's sound goes.
        record: Where its messages go.
        as_json: Whether messages are printed as JSON.
        json_audio: Whether they hold their audio.
        playback: Whether the answers sound, if there is a speaker.
        realtime: Whether recordings are sent at the pace of speech.
        timeout: Seconds that an answer may take.
    """

    provider: str
    request: ProviderRequest
    options: SessionOptions
    files: tuple[Path, ...] = ()
    texts: tuple[str, ...] = ()
    microphone: bool = False
    save: Path | None = None
    record: Path | None = None
    as_json: bool = False
    json_audio: bool = False
    playback: bool = True
    realtime: bool = True
    timeout: float = 60.0


async def run_talk(settings: TalkSettings, console: Console) -> int:
    """Hold the conversation; the exit status: 0 if every turn came, and ended well.

    Raises:
        DuologueError: Something given is wrong, or something needed is missing.
        SessionEnded: The provider ended the session.
    """
    async with AsyncExitStack() as stack:
        recordings = [
            await stack.enter_async_context(aclosing(open_recording(file, realtime=settings.realtime)))
            for file in settings.files
        ]
        provider = make_client(settings.provider, settings.request)
        recording = (Recording(settings.record),) if settings.record is not None else ()
        client = provider.with_middleware(FunctionInvocation(), AudioConversion(), *recording)
        await stack.enter_async_context(client)
        options = in_our_format(settings.options, provider.capabilities(settings.options))
        session = await stack.enter_async_context(client.create_session(options))
        source = MicrophoneSource(format=PCM16_24K) if settings.microphone else Playlist()
        await stack.enter_async_context(aclosing(source))
        sink = await stack.enter_async_context(aclosing(open_sink(settings)))
        if recorder := open_recorder(settings.save):
            stack.enter_context(recorder)
        return await Talk(settings, session, source, sink, recorder).run(recordings, console)


def in_our_format(options: SessionOptions, can: Capabilities) -> SessionOptions:
    """The options, with the format of our microphone and speaker where the provider has others to convert to."""

    def ours(offered: frozenset[AudioFormat] | None) -> AudioFormat | None:
        return PCM16_24K if offered and PCM16_24K not in offered else None

    return options.merged(SessionOptions(input_audio=ours(can.input_formats), output_audio=ours(can.output_formats)))


def open_sink(settings: TalkSettings) -> AudioSink:
    """Where the answers sound: at the speaker, or nowhere if there is none or it is not wanted."""
    if settings.playback:
        try:
            return SpeakerSink(format=PCM16_24K)
        except (DeviceUnavailable, MissingDependency) as error:
            complain(f"The answers are not played (--no-playback says that this is meant). {error}")
    # Nobody waits for what nobody hears, unless it is recorded, or somebody talks with it.
    return SilentSink(PCM16_24K, realtime=settings.microphone or settings.save is not None)


class Talk:
    """One conversation of `duologue talk`."""

    def __init__(
        self,
        settings: TalkSettings,
        session: RealtimeSession,
        source: AudioSource,
        sink: AudioSink,
        recorder: ConversationRecorder | None,
    ) -> None:
        self._settings = settings
        self._session = session
        self._source = source
        self._sink = recorder.sink(sink) if recorder is not None else sink
        self._recorder = recorder
        self._log = TurnLog()
        self._status = 0

    async def run(self, recordings: list[WavSource], console: Console) -> int:
        """Take all turns; the exit status."""
        view: View = ConversationView(console, self._log)
        if self._settings.as_json:
            view = JsonLinesView(sys.stdout.buffer, with_audio=self._settings.json_audio)
        source = self._source
        script = self._take_turns(recordings)
        if self._recorder is not None and not isinstance(source, Playlist):
            source = self._recorder.source(source)
        await converse(self._session, source, self._sink, log=self._log, view=view, script=script)
        return self._status

    async def _take_turns(self, recordings: list[WavSource]) -> None:
        if not isinstance(self._source, Playlist):
            await asyncio.Event().wait()  # until the user stops it
            return
        for file, recording in zip(self._settings.files, recordings, strict=True):
            known = len(self._log.turns)
            await self._play(self._source, file, recording)
            if await self._log.until_begun(known, _GRACE_SECONDS):
                await self._finish(str(file), known)
            else:
                self._note(f"{file}: no turn came of it, as no speech was found.")
        for text in self._settings.texts:
            known = len(self._log.turns)
            await self._session.send_text(text)
            await self._finish(f'"{text}"', known)

    async def _finish(self, name: str, known: int) -> None:
        """Wait until the turns after the first `known` ones are over, and their answers heard."""
        log, limit = self._log, self._settings.timeout
        if not await log.until_over(known, limit):
            self._note(f"{name}: the answer was not over within {limit:g} s.")
            await self._session.interrupt()
            return
        for turn in log.turns[known:]:
            if turn.outcome != "completed":
                reason = f" {turn.error}" if turn.error and self._settings.as_json else ""  # else it was shown
                self._note(f"{name}: the turn ended: {turn.outcome}.{reason}")
        await self._sink.drained()

    async def _play(self, playlist: Playlist, file: Path, recording: WavSource) -> None:
        try:
            await playlist.play(self._recorder.source(recording) if self._recorder is not None else recording)
        except InvalidAudio as error:  # what is good of it was sent, and is answered
            self._note(f"{file}: {error}", REFUSED)
        await self._session.send(m.InputAudioEnd())

    def _note(self, problem: str, status: int = FAILED) -> None:
        self._status = max(self._status, status)
        complain(problem)
