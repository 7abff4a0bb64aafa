"""Sessions of the embedded provider with stages that need no model: faults, bounds, and what is left behind."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, suppress
from typing import TypeVar

import pytest

from duologue import messages as m
from duologue.conversation import Conversation
from duologue.errors import (
    InvalidAudio,
    InvalidInput,
    SessionClosed,
    SessionFailed,
    SpeechFailed,
    UnsupportedOperation,
)
from duologue.formats import PCM16_8K, PCM16_16K, AudioFormat
from duologue.inbox import Inbox
from duologue.local import LocalRealtimeClient
from duologue.messages.base import ServerMessage
from duologue.options import OFF, SessionOptions
from duologue.session import RealtimeSession
from duologue.speech.responder import Finished, ResponderEvent, ResponderRequest, TextChunk
from duologue.speech.stages import SpeechChunk, Transcript, Utterance
from duologue.testing.stages import (
    LoudnessDetector,
    ScriptedResponder,
    ScriptedSpeechToText,
    ScriptedUtterance,
    ToneTextToSpeech,
)
from duologue.tools import FunctionTool, Tool
from engine_driver import silence, speech

Kind = TypeVar("Kind", bound=ServerMessage)

SECRET = "sk-very-secret"
TEXT = SessionOptions(output_modalities=("text",))
SPOKEN = SessionOptions(input_audio=PCM16_16K, output_audio=PCM16_16K)


def echo(request: ResponderRequest) -> Iterable[ResponderEvent]:
    last = request.items[-1] if request.items else None
    yield TextChunk(f"You said: {last.text}" if isinstance(last, m.MessageItem) else "Hello.")


class WatchedTextToSpeech(ToneTextToSpeech):
    """Knows how many syntheses are open, and how many chunks were asked for."""

    def __init__(self, word_ms: int = 100) -> None:
        super().__init__(word_ms)
        self.open = 0
        self.chunks = 0

    async def synthesize(
        self, text: str, *, voice: str | None = None, speed: float | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        self.open += 1
        try:
            async with aclosing(super().synthesize(text, voice=voice, speed=speed)) as chunks:
                async for chunk in chunks:
                    self.chunks += 1
                    yield chunk
        finally:
            self.open -= 1


class WatchedDetector(LoudnessDetector):
    """Knows how many of its kind are open."""

    open = 0

    def __init__(self) -> None:
        type(self).open += 1

    def close(self) -> None:
        type(self).open -= 1


class Patient(ScriptedResponder):
    """Says a word, then thinks until it is stopped."""

    def __init__(self) -> None:
        super().__init__(lambda request: ())
        self.thinking = asyncio.Event()
        self.was_stopped = False

    async def respond(self, request: ResponderRequest) -> AsyncGenerator[ResponderEvent, None]:
        yield TextChunk("Well. ")
        self.thinking.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.was_stopped = True


def make_client(**stages: object) -> LocalRealtimeClient:
    given = {
        "speech_to_text": ScriptedSpeechToText(),
        "responder": ScriptedResponder(echo),
        "text_to_speech": ToneTextToSpeech(),
        "voice_activity": LoudnessDetector,
        "lead_ms": 60_000,
        **stages,
    }
    return LocalRealtimeClient(**given)  # type: ignore[arg-type]


async def read_until(session: RealtimeSession, kind: type[Kind]) -> tuple[list[ServerMessage], Kind]:
    """All messages up to the first one of `kind`, and that one."""
    read: list[ServerMessage] = []
    async with asyncio.timeout(10):
        async for message in session:
            read.append(message)
            if isinstance(message, kind):
                return read, message
    raise AssertionError(f"no {kind.__name__} among {read}")


async def settle(turns: int = 200) -> None:
    """Let everything happen that can happen without time passing."""
    for _ in range(turns):
        await asyncio.sleep(0)


def working() -> list[str]:
    """What stages are at work for any session."""
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("duologue local")]


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    WatchedDetector.open = 0
    yield
    await settle(5)
    assert asyncio.all_tasks() - before - {asyncio.current_task()} == set()
    assert WatchedDetector.open == 0


# --- many sessions ---


async def test_sessions_of_one_client_do_not_mix() -> None:
    client = make_client()

    async def talk(number: int) -> set[str]:
        options = SessionOptions(instructions=f"You are {number}.", output_modalities=("text",))
        async with client.create_session(options) as session:
            ids: set[str] = set()
            for round in range(3):
                await session.send_text(f"{number}/{round}")
                read, done = await read_until(session, m.ResponseDone)
                ids |= {message.item.id or "" for message in read if isinstance(message, m.ItemDone)}
                [item] = done.items
                assert isinstance(item, m.MessageItem)
                assert item.text == f"You said: {number}/{round}"
            assert session.options.instructions == f"You are {number}."
            return ids

    async with client:
        ids = await asyncio.gather(*(talk(number) for number in range(20)))
    assert len(set().union(*ids)) == sum(map(len, ids))


async def test_spoken_sessions_of_one_client_do_not_mix() -> None:
    speech_to_text = HearsItsLength()
    client = make_client(speech_to_text=speech_to_text, voice_activity=WatchedDetector)

    async def talk(number: int) -> None:
        async with client.create_session(SPOKEN) as session:
            length = 200 + 40 * number
            audio = silence(400) + speech(length) + silence(700)
            for start in range(0, len(audio), 640):
                await session.send_audio(audio[start : start + 640])
                await asyncio.sleep(0)
            _, heard = await read_until(session, m.InputTranscriptCompleted)
            _, done = await read_until(session, m.ResponseDone)
            assert heard.text == f"{length} ms"
            assert isinstance(done.items[0], m.MessageItem)
            assert done.items[0].text == f"You said: {length} ms"

    async with client:
        await asyncio.gather(*(talk(number) for number in range(10)))


class HearsItsLength(ScriptedSpeechToText):
    """Hears how long the loud part was."""

    def utterance(self, **given: object) -> ScriptedUtterance:
        utterance = super().utterance()

        async def finish() -> Transcript:
            loud = sum(1 for start in range(0, len(utterance.audio) - 1, 2) if any(utterance.audio[start : start + 2]))
            return Transcript(text=f"{loud // 16} ms")

        utterance.finish = finish  # type: ignore[method-assign]
        return utterance


# --- the end ---


async def test_a_session_that_is_closed_while_it_speaks_stops_speaking() -> None:
    text_to_speech = WatchedTextToSpeech()
    client = make_client(text_to_speech=text_to_speech, lead_ms=100)
    async with client.create_session(SPOKEN) as session:
        await session.say("word " * 200)
        await read_until(session, m.OutputAudioDelta)
        assert text_to_speech.open == 1
    assert text_to_speech.open == 0
    rest = [message async for message in session]
    assert m.ResponseDone not in map(type, rest)
    assert isinstance(session.ended, SessionClosed)
    with pytest.raises(SessionClosed):
        await session.send_text("Still there?")
    await client.aclose()


async def test_a_session_that_is_closed_while_it_listens_and_thinks_stops_both() -> None:
    speech_to_text, responder = ScriptedSpeechToText(["hello"]), Patient()
    client = make_client(speech_to_text=speech_to_text, responder=responder, voice_activity=WatchedDetector)
    async with client, client.create_session(SPOKEN) as session:
        await session.send_audio(speech(200))
        await session.respond(m.ResponseCreate(out_of_band=True, items=()))
        await responder.thinking.wait()
        assert not speech_to_text.utterances[0].is_cancelled
    assert responder.was_stopped
    assert speech_to_text.utterances[0].is_cancelled


async def test_a_session_that_is_closed_before_its_work_begins_leaves_nothing() -> None:
    speech_to_text = ScriptedSpeechToText(["hello"])
    client = make_client(speech_to_text=speech_to_text, voice_activity=WatchedDetector)
    async with client.create_session(SPOKEN) as session:
        await session.send_audio(speech(200))
        await session.send(m.InputAudioEnd())
        _, committed = await read_until(session, m.InputAudioCommitted)
        # Nothing of it has had a turn of the loop.
        await session.send(m.ItemDelete(item_id=committed.item_id or ""))
        assert speech_to_text.utterances[0].is_cancelled
        await session.say("Hello")
    await client.aclose()


async def test_closing_the_client_ends_its_sessions_and_its_stages() -> None:
    stages = {
        "speech_to_text": ScriptedSpeechToText(["hello"]),
        "responder": Patient(),
        "text_to_speech": WatchedTextToSpeech(),
        "voice_activity": WatchedDetector,
    }
    client = make_client(**stages)
    sessions = [await client.create_session(SPOKEN) for _ in range(3)]
    for session in sessions:
        await session.send_audio(speech(200))
        await session.respond()
    await settle()
    await client.aclose()
    assert all(isinstance(session.ended, SessionClosed) for session in sessions)
    for name in ("speech_to_text", "responder", "text_to_speech"):
        assert stages[name].is_closed  # type: ignore[attr-defined]
    with pytest.raises(InvalidInput, match="closed"):
        await client.create_session()
    await client.aclose()


async def test_a_stage_that_fails_to_close_does_not_keep_the_others_open() -> None:
    class Stuck(ScriptedResponder):
        async def aclose(self) -> None:
            raise SpeechFailed("It does not let go.")

    speech_to_text, text_to_speech = ScriptedSpeechToText(), ToneTextToSpeech()
    client = make_client(responder=Stuck(echo), speech_to_text=speech_to_text, text_to_speech=text_to_speech)
    with pytest.raises(SpeechFailed):
        await client.aclose()
    assert speech_to_text.is_closed
    assert text_to_speech.is_closed


# --- cancellation ---


class SlowStart(ScriptedSpeechToText):
    def __init__(self) -> None:
        super().__init__()
        self.starting, self.may_start = asyncio.Event(), asyncio.Event()

    async def start(self) -> None:
        self.starting.set()
        await self.may_start.wait()


async def test_an_opening_that_is_cancelled_while_stages_load_leaves_nothing() -> None:
    speech_to_text = SlowStart()
    client = make_client(speech_to_text=speech_to_text, voice_activity=WatchedDetector)
    opening = asyncio.ensure_future(_open(client))
    await speech_to_text.starting.wait()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    speech_to_text.may_start.set()
    async with client.create_session(TEXT) as session:  # the client is none the worse
        await session.send_text("Hi")
        await read_until(session, m.TurnDone)
    await client.aclose()


class SlowLoading:
    """Makes detectors that take their time."""

    def __init__(self) -> None:
        self.is_loading, self.may_load = threading.Event(), threading.Event()

    def __call__(self) -> WatchedDetector:
        self.is_loading.set()
        assert self.may_load.wait(10)
        return WatchedDetector()


async def test_that_audio_waits_for_the_detector_while_all_else_is_answered() -> None:
    load = SlowLoading()
    client = make_client(speech_to_text=ScriptedSpeechToText(["one", "two"]), voice_activity=load)
    async with client.create_session(SPOKEN) as session:
        await session.send_text("Hi")
        await read_until(session, m.TurnDone)
        assert not load.is_loading.is_set()
        sends = [asyncio.ensure_future(session.send_audio(part)) for part in (speech(400), silence(900), speech(400))]
        await asyncio.to_thread(load.is_loading.wait, 10)
        await session.send_text("Still there?")
        await read_until(session, m.TurnDone)
        assert not any(send.done() for send in sends)
        sends.pop().cancel()  # which does not take it back
        await session.send(m.InputAudioEnd())  # of what was sent before
        load.may_load.set()
        for text in ("one", "two"):
            _, heard = await read_until(session, m.InputTranscriptCompleted)
            assert heard.text == text
        await asyncio.gather(*sends)
    await client.aclose()
    assert WatchedDetector.open == 0


async def test_a_session_that_is_closed_while_its_detector_loads_closes_it() -> None:
    load = SlowLoading()
    client = make_client(voice_activity=load)
    session = await client.create_session(SPOKEN)
    sending = asyncio.ensure_future(session.send_audio(speech(400)))
    await asyncio.to_thread(load.is_loading.wait, 10)
    closing = asyncio.ensure_future(session.aclose())
    await settle(3)
    load.may_load.set()
    await closing
    await sending  # it was taken
    assert WatchedDetector.open == 0
    await client.aclose()


async def test_a_client_that_is_closed_while_a_session_opens_refuses_it() -> None:
    speech_to_text = SlowStart()
    client = make_client(speech_to_text=speech_to_text, voice_activity=WatchedDetector)
    opening = asyncio.ensure_future(_open(client))
    await speech_to_text.starting.wait()
    closing = asyncio.ensure_future(client.aclose())
    await settle(3)
    assert not speech_to_text.is_closed  # what is loading is closed when it is loaded
    speech_to_text.may_start.set()
    with pytest.raises(InvalidInput, match="closed"):
        await opening
    await closing
    assert speech_to_text.is_closed


async def _open(client: LocalRealtimeClient) -> RealtimeSession:
    return await client.create_session(SPOKEN)


async def test_a_detector_that_is_not_needed_is_not_made_and_one_that_fails_is_told() -> None:
    client = make_client(voice_activity=WatchedDetector)
    for detection in (OFF, None):
        async with client.create_session(SPOKEN.merged(SessionOptions(turn_detection=detection))) as session:
            await session.send_text("Hi")
            await read_until(session, m.TurnDone)
            assert WatchedDetector.open == 0
            await session.send_audio(silence(20))
            assert WatchedDetector.open == (detection is None)
        assert WatchedDetector.open == 0
    await client.aclose()

    def broken() -> LoudnessDetector:
        raise SpeechFailed("The model is broken.")

    client = make_client(voice_activity=broken)
    async with client.create_session(SPOKEN) as session:
        with pytest.raises(SessionFailed) as raised:
            await session.send_audio(silence(20))
        assert isinstance(raised.value.__cause__, SpeechFailed)
        with pytest.raises(SpeechFailed, match="broken"):
            await read_until(session, m.TurnDone)
    await client.aclose()


async def test_a_cancelled_read_loses_nothing_and_a_cancelled_close_closes() -> None:
    text_to_speech = WatchedTextToSpeech()
    client = make_client(text_to_speech=text_to_speech)
    session = await client.create_session(SPOKEN)
    await session.say("one two three four")
    read: list[ServerMessage] = []
    async with asyncio.timeout(10):
        while not (read and isinstance(read[-1], m.TurnDone)):
            reading = asyncio.ensure_future(anext(session))
            await asyncio.sleep(0)
            reading.cancel()
            with suppress(asyncio.CancelledError):
                read.append(await reading)
    done = [message for message in read if isinstance(message, m.ResponseDone)]
    audio = b"".join(message.audio for message in read if isinstance(message, m.OutputAudioDelta))
    assert len(done) == 1
    assert PCM16_16K.duration_ms(len(audio)) == 400
    closing = asyncio.ensure_future(session.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with suppress(asyncio.CancelledError):
        await closing
    await session.aclose()
    assert isinstance(session.ended, SessionClosed)
    await client.aclose()


async def test_a_sender_that_is_cancelled_has_sent() -> None:
    client = make_client()
    async with client, client.create_session(TEXT) as session:
        for _ in range(5):
            sending = asyncio.ensure_future(session.send_text("Hi"))
            await asyncio.sleep(0)
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
            await read_until(session, m.TurnDone)


# --- a reader that stops ---


def shrink_inbox(monkeypatch: pytest.MonkeyPatch, **bounds: int) -> None:
    defaults = Inbox.__init__.__kwdefaults__
    assert defaults is not None
    for name, bound in bounds.items():
        monkeypatch.setitem(defaults, name, bound)


class Endless(ScriptedResponder):
    """Writes so many numbers."""

    def __init__(self, count: int) -> None:
        super().__init__(lambda request: (TextChunk(f"{number} ") for number in self._numbers(count)))
        self.written = 0

    def _numbers(self, count: int) -> Iterable[int]:
        for number in range(count):
            self.written += 1
            yield number


async def test_a_reader_of_text_that_stops_stops_the_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink_inbox(monkeypatch, max_messages=50)
    responder = Endless(2_000)
    client = make_client(responder=responder)
    async with client, client.create_session(TEXT) as session:
        await session.respond()
        await settle()
        written = responder.written
        assert written < 100
        await settle()
        assert responder.written == written
        read, done = await read_until(session, m.ResponseDone)
        assert isinstance(done.items[0], m.MessageItem)
        assert done.items[0].text == "".join(f"{number} " for number in range(2_000))
        assert "".join(delta.text for delta in read if isinstance(delta, m.OutputTextDelta)) == done.items[0].text


async def test_a_reader_of_audio_that_stops_stops_the_speaker(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink_inbox(monkeypatch, max_bytes=50_000)
    text_to_speech = WatchedTextToSpeech()
    client = make_client(text_to_speech=text_to_speech)
    async with client, client.create_session(SPOKEN) as session:
        await session.say("word " * 300)
        await settle(2_000)
        chunks = text_to_speech.chunks
        assert chunks * 20 < 2_000 + 1_700 + 500  # what may wait here and in the inbox, and a bit
        await settle(2_000)
        assert text_to_speech.chunks == chunks
        read, done = await read_until(session, m.ResponseDone)
        audio = b"".join(delta.audio for delta in read if isinstance(delta, m.OutputAudioDelta))
        assert PCM16_16K.duration_ms(len(audio)) == 30_000
        assert done.status == "completed"


async def test_a_reader_that_never_comes_back_is_no_reason_not_to_close(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink_inbox(monkeypatch, max_messages=5)
    text_to_speech = WatchedTextToSpeech()
    client = make_client(text_to_speech=text_to_speech)
    session = await client.create_session(SPOKEN)
    await session.say("word " * 300)
    await settle()
    await session.send_text("Hello?")
    await client.aclose()
    assert text_to_speech.open == 0
    assert isinstance(await anext(session), m.SessionCreated)


# --- stages that fail ---


def raising(error: Exception) -> ScriptedResponder:
    return ScriptedResponder(lambda request: [TextChunk("Well. "), error])


@pytest.mark.parametrize("options", [TEXT, SPOKEN], ids=["text", "audio"])
async def test_a_responder_that_fails_fails_its_response_only(options: SessionOptions) -> None:
    responder = raising(SpeechFailed("The endpoint is down."))
    client = make_client(responder=responder)
    async with client, client.create_session(options) as session:
        for _ in range(2):
            await session.send_text("Hi")
            _, done = await read_until(session, m.ResponseDone)
            assert done.status == "failed"
            assert done.error is not None
            assert done.error.message == "The endpoint is down."
            _, turn = await read_until(session, m.TurnDone)
            assert turn.outcome == "failed"


class BrokenSpeech(ToneTextToSpeech):
    """Raises as soon as it is asked, before there is a generator."""

    def synthesize(self, *given: object, **more: object) -> AsyncGenerator[SpeechChunk, None]:
        raise ValueError(SECRET)


class BrokenEars(ScriptedSpeechToText):
    """Raises at the beginning, while it is fed, or at the end."""

    def __init__(self, when: str, error: BaseException) -> None:
        super().__init__(["hello"])
        self._when = when
        self._error = error

    def utterance(self, **given: object) -> ScriptedUtterance:
        if self._when == "begin":
            raise self._error
        utterance = super().utterance()
        utterance_finish, error = utterance.finish, self._error

        def feed(audio: bytes) -> None:
            raise error

        async def finish() -> Transcript:
            await utterance_finish()
            raise error

        if self._when == "feed":
            utterance.feed = feed  # type: ignore[method-assign]
        else:
            utterance.finish = finish  # type: ignore[method-assign]
        return utterance


async def _fails(client: LocalRealtimeClient, ask: Callable[[RealtimeSession], Awaitable[object]]) -> str:
    """The error of a response that fails; the session goes on after it."""
    async with client.create_session(SPOKEN) as session:
        await ask(session)
        _, done = await read_until(session, m.ResponseDone)
        assert done.status == "failed"
        assert done.error is not None
        await session.send(m.ItemCreate(item=m.MessageItem.user("Hi", id="a")))
        await session.send(m.ItemRetrieve(item_id="a"))
        await read_until(session, m.ItemRetrieved)
        return done.error.message


async def _speak_to(session: RealtimeSession) -> None:
    await session.send_audio(silence(100) + speech(300) + silence(600))


@pytest.mark.parametrize(
    ("stages", "stage", "ask"),
    [
        ({"responder": raising(ValueError(SECRET))}, "responder", RealtimeSession.respond),
        ({"text_to_speech": ToneTextToSpeech(failure=ValueError(SECRET))}, "text-to-speech", lambda s: s.say("a b")),
        ({"text_to_speech": BrokenSpeech()}, "text-to-speech", lambda s: s.say("a b")),
        ({"speech_to_text": BrokenEars("begin", ValueError(SECRET))}, "speech-to-text", _speak_to),
        ({"speech_to_text": BrokenEars("feed", ValueError(SECRET))}, "speech-to-text", _speak_to),
        ({"speech_to_text": BrokenEars("finish", ValueError(SECRET))}, "speech-to-text", _speak_to),
    ],
)
async def test_what_a_stage_raises_is_told_without_its_text(
    stages: dict[str, object],
    stage: str,
    ask: Callable[[RealtimeSession], Awaitable[object]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = make_client(**stages)
    with caplog.at_level(logging.DEBUG):
        text = await _fails(client, ask)
    assert stage in text
    assert "ValueError" in text
    assert SECRET not in text
    assert "ValueError" in caplog.text
    assert SECRET not in caplog.text
    assert 'File "' in caplog.text  # where it was raised
    await client.aclose()


@pytest.mark.parametrize("when", ["begin", "feed", "finish"])
async def test_speech_to_text_that_fails_says_so_once(when: str) -> None:
    client = make_client(speech_to_text=BrokenEars(when, SpeechFailed("The worker died.")))
    async with client, client.create_session(SPOKEN) as session:
        await _speak_to(session)
        read, failed = await read_until(session, m.InputTranscriptFailed)
        assert failed.error.message == "The worker died."
        assert [type(message) for message in read].count(m.InputAudioCommitted) == 1
        _, done = await read_until(session, m.ResponseDone)
        assert done.status == "failed"


async def test_a_stage_that_lost_what_it_waited_for_has_failed() -> None:
    responder = ScriptedResponder(echo)

    async def respond(request: ResponderRequest) -> AsyncGenerator[ResponderEvent, None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.cancel()
        await future
        yield TextChunk("never")

    responder.respond = respond  # type: ignore[method-assign]
    client = make_client(responder=responder)
    async with client.create_session(TEXT) as session:
        await session.respond()
        _, done = await read_until(session, m.ResponseDone)
        assert done.status == "failed"
    await client.aclose()


async def test_a_responder_that_does_not_end_after_its_end_is_stopped() -> None:
    class GoesOn(Patient):
        async def respond(self, request: ResponderRequest) -> AsyncGenerator[ResponderEvent, None]:
            yield Finished()
            async for event in super().respond(request):
                yield event

    client = make_client(responder=GoesOn())
    async with client.create_session(TEXT) as session:
        await session.respond()
        await read_until(session, m.ResponseDone)
        await settle()
        assert working() == []
    await client.aclose()


class Telephone(ScriptedSpeechToText):
    sample_rate = 8_000


async def test_speech_to_text_of_another_rate_gets_audio_of_its_rate() -> None:
    speech_to_text = Telephone(["hello"])
    client = make_client(speech_to_text=speech_to_text)
    async with client, client.create_session(SPOKEN.merged(SessionOptions(turn_detection=OFF))) as session:
        await session.send_audio(speech(1_000))
        await session.send(m.InputAudioCommit())
        await read_until(session, m.InputTranscriptCompleted)
    [utterance] = speech_to_text.utterances
    assert PCM16_8K.duration_ms(len(utterance.audio)) == 1_000


async def test_a_transcript_that_takes_its_time_can_be_given_up() -> None:
    speech_to_text = ScriptedSpeechToText(["hello"])
    client = make_client(speech_to_text=speech_to_text)
    async with client, client.create_session(SPOKEN) as session:
        await session.send_audio(silence(100) + speech(300))
        speech_to_text.utterances[0].gate.clear()
        await session.send(m.InputAudioEnd())
        _, committed = await read_until(session, m.InputAudioCommitted)
        await settle(5)
        await session.send(m.ItemDelete(item_id=committed.item_id or ""))
        _, done = await read_until(session, m.ResponseDone)
        assert done.status == "completed"  # it answers what is left
        assert speech_to_text.utterances[0].is_cancelled
        await settle(5)
        assert working() == []


async def test_what_users_will_say_is_not_worked_out_on_the_event_loop() -> None:
    here, threads, again = threading.get_ident(), list[int](), threading.Event()
    tools = (FunctionTool(name="look"),)

    class Slow(ScriptedResponder):
        def expects(self, tools: tuple[Tool, ...]) -> tuple[str, ...]:
            threads.append(threading.get_ident())
            if tools:
                again.set()
            return ()

    client = make_client(responder=Slow(echo))
    async with client, client.create_session(TEXT) as session:
        assert len(threads) == 1
        await session.update(SessionOptions(tools=tools))
        assert await asyncio.to_thread(again.wait, 10)
    assert here not in threads


async def test_a_responder_that_does_not_know_what_to_expect_says_so_at_once() -> None:
    class Lost(ScriptedResponder):
        def expects(self, tools: tuple[Tool, ...]) -> tuple[str, ...]:
            raise SpeechFailed("No phrases.")

    client = make_client(responder=Lost(echo))
    with pytest.raises(SpeechFailed, match="No phrases"):
        await client.create_session()
    await client.aclose()


# --- audio that does not fit ---


async def test_audio_of_another_format_is_refused_and_the_way_out_is_named() -> None:
    client = make_client()
    with pytest.raises(UnsupportedOperation, match="AudioConversion"):
        await client.create_session(SessionOptions(input_audio=AudioFormat("pcm16", 11_025)))
    async with client, client.create_session(SPOKEN) as session:
        with pytest.raises(InvalidAudio, match="AudioConversion"):
            await session.send_audio(bytes(320), PCM16_8K)
        with pytest.raises(InvalidAudio, match="odd byte"):
            await session.send_audio(bytes(321))
        await _speak_to(session)
        await read_until(session, m.InputAudioCommitted)


@pytest.mark.parametrize("audio", [b"", silence(3_000), bytes(range(256)) * 400], ids=["none", "silence", "noise"])
async def test_audio_that_is_no_speech_does_no_harm(audio: bytes) -> None:
    client = make_client()
    async with client, client.create_session(SPOKEN) as session:
        await session.send_audio(audio)
        await session.send(m.InputAudioEnd())
        await session.send_text("Hi")
        await read_until(session, m.TurnDone)


async def test_images_are_refused_clearly() -> None:
    client = make_client()
    async with client, client.create_session(TEXT) as session:
        with pytest.raises(UnsupportedOperation, match="Describe the picture"):
            await session.send_image(b"png")
        with pytest.raises(UnsupportedOperation):
            await session.send(m.InputImageAppend(image=m.ImageContent(data=b"png")))
        with pytest.raises(UnsupportedOperation, match="images"):
            await client.create_session(SessionOptions(history=(m.MessageItem.image(m.ImageContent(data=b"png")),)))


def test_a_lead_that_is_shorter_than_a_delta_is_refused() -> None:
    with pytest.raises(InvalidInput, match="lead_ms"):
        make_client(lead_ms=50)


# --- an interruption ---


async def test_what_was_not_heard_is_forgotten() -> None:
    client = make_client(speech_to_text=ScriptedSpeechToText(["stop"]))
    conversation = Conversation()
    async with client, client.create_session(SPOKEN) as session:
        await session.say("one two three four five six seven eight")
        read, first = await read_until(session, m.ResponseDone)
        item_id = first.items[0].id or ""
        await session.send(m.OutputAudioPlayed(item_id=item_id, played_ms=350))
        await _speak_to(session)
        more, interrupted = await read_until(session, m.Interrupted)
        rest, _ = await read_until(session, m.ResponseDone)
        for message in (*read, *more, *rest):
            conversation.feed(message)
        assert (interrupted.item_id, interrupted.heard_ms) == (item_id, 350)
        [cut] = [message for message in rest if isinstance(message, m.ItemTruncated)]
        assert (cut.audio_end_ms, cut.transcript) == (350, "one two three")
        assert conversation.transcript(item_id) == "one two three"
        assert conversation.was_cut(item_id)


def test_an_utterance_is_one() -> None:
    """The fakes are what the stages' protocols ask for."""
    utterance: Utterance = ScriptedUtterance(ScriptedSpeechToText().transcripts, (), None)
    assert not utterance.is_cancelled  # type: ignore[attr-defined]
