"""A server on loopback that speaks OpenAI's realtime wire."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Coroutine, Iterable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from duologue import messages as m
from duologue.errors import SpeechFailed
from duologue.formats import PCM16_24K, AudioFormat
from duologue.options import OFF, SessionOptions, Transcription
from duologue.protocols.openai import OPENAI, Dialect
from duologue.protocols.openai.session_reading import read_session
from duologue.testing.loop_thread import LoopThread, on_loop
from duologue.testing.loopback import Fault, HandshakeRequest, LoopbackConnection, LoopbackServer, Refusal
from duologue.testing.openai_emulator.admission import Admission
from duologue.testing.openai_emulator.fault_plan import FaultPlan
from duologue.testing.openai_emulator.model import EmulatedModel, Replies
from duologue.testing.openai_emulator.session import EmulatedSession

T = TypeVar("T")


class OpenAIEmulator:
    """Plays a realtime server, for tests without a key: any client that speaks the wire can talk to it.

    ::

        async with OpenAIEmulator(["Hello!"]) as emulator:
            client = OpenAIRealtimeClient("gpt-realtime", base_url=emulator.url, api_key="any")

    It has the semantics of OpenAI's API: turn detection by loudness, transcripts, responses one at a time, items,
    truncation, errors with the id of the event that caused them. Speech is a tone for each word. It answers at any
    path, on 127.0.0.1 and a free port. Use it with ``async with`` on an event loop, or with ``with``, in a thread of
    its own. Needs ``pip install "duologue[testing]"``.

    Args:
        replies: What the model answers: a list with one reply for each response (every session plays it from its
            beginning), a function of the `ResponderRequest`, or a `Responder`; None: it repeats what it is told. A
            reply is a text, a `CallRequested`, an exception (the response fails), or a list of these.
        hears: What the user says, one transcript for each turn that is spoken; loud audio is speech.
        dialect: How the server says things.
        api_key: The only key that is right; None: any will do, and none.
        options: What sessions are like before the client states any options.
        word_ms: How long it takes to say a word, in ms.
        lead_ms: How far ahead of playback audio is sent, in ms.
        ssl_context: For TLS.

    Attributes:
        sessions: The server's side of all sessions, the oldest first.
        requests: The handshakes of all connections, refused ones included.
    """

    def __init__(
        self,
        replies: Replies | None = None,
        *,
        hears: Iterable[str | SpeechFailed] = (),
        dialect: Dialect = OPENAI,
        api_key: str | None = None,
        options: SessionOptions | None = None,
        word_ms: int = 100,
        lead_ms: float = 60_000,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.sessions: list[EmulatedSession] = []
        self.requests: list[HandshakeRequest] = []
        self._dialect = dialect
        self._model = EmulatedModel(replies, hears, word_ms, lead_ms)
        self._options = _defaults(dialect).merged(options)
        self._admission = Admission(api_key)
        self._errors: deque[m.ErrorDetail] = deque()
        self._faults = FaultPlan()
        self._server = LoopbackServer(
            self._serve, admit=self._admit, answer_http=self._admission.answer, ssl_context=ssl_context
        )
        self._arrived = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: LoopThread | None = None

    # --- where it is ---

    @property
    def url(self) -> str:
        """Scheme and authority of its WebSocket address, e.g. ``"ws://127.0.0.1:40001"``."""
        return self._server.url

    @property
    def http_url(self) -> str:
        """The same for HTTP requests: it makes ephemeral keys at any path that ends with ``/client_secrets``."""
        return self._server.http_url

    @property
    def session(self) -> EmulatedSession:
        """The newest session."""
        if not self.sessions:
            raise LookupError("No client has connected to this emulator yet.")
        return self.sessions[-1]

    async def wait_session(self, count: int = 1, *, timeout: float = 10.0) -> EmulatedSession:
        """Wait until `count` sessions have begun, and give the newest. On any event loop.

        Raises:
            TimeoutError: They have not begun within `timeout` s.
        """

        async def wait() -> EmulatedSession:
            while len(self.sessions) < count:
                self._arrived.clear()
                await self._arrived.wait()
            return self.session

        if self._loop is None:
            raise LookupError("The emulator has not been started.")
        return await on_loop(self._loop, wait(), timeout, f"session {count}")

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait, in a test without an event loop, for something asynchronous: ``emulator.run(session.wait_closed())``.

        Raises:
            RuntimeError: The emulator has no thread of its own: it was not entered with ``with``.
        """
        if self._thread is None:
            work.close()
            raise RuntimeError("This emulator runs on your event loop: await it there.")
        return self._thread.run(work)

    # --- what goes wrong; from any thread ---

    def inject(self, fault: Fault, *, at: str | None = None, nth: int = 1) -> None:
        """Have something go wrong.

        Args:
            fault: What.
            at: The type of the event, the client's or the server's, at which it happens: when it arrives, or just
                before it leaves. None: at once, on every open connection, or on the next one where there is none.
            nth: The how-manieth such event, counted from now over all sessions.
        """
        open_now = [connection for connection in self._server.connections if connection.is_open]
        if at is None and open_now:
            for connection in open_now:
                connection.inject(fault)
        else:
            self._faults.add(fault, at, nth)

    def refuse(
        self, status: int, *, headers: Mapping[str, str] | None = None, body: bytes = b"", times: int = 1
    ) -> None:
        """Refuse the next `times` handshakes with an HTTP status: 401, 429 with ``{"retry-after": "1"}``, 503 …"""
        self._admission.refuse(Refusal(status, dict(headers or {}), body), times)

    def fail_opening(self, error: m.ErrorDetail, *, times: int = 1) -> None:
        """Send an ``error`` in place of ``session.created`` to the next `times` connections, then hang up (1011)."""
        self._errors.extend([error] * times)

    # --- beginning and end ---

    async def start(self) -> None:
        """Begin to listen."""
        self._loop = asyncio.get_running_loop()
        await self._server.start()

    async def aclose(self) -> None:
        """End every session, and stop listening."""
        for session in self.sessions:
            await session.aclose(1001, "The server is going away.")
        await self._server.aclose()
        for session in self.sessions:
            await session.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __enter__(self) -> Self:
        self._thread = LoopThread("emulator")
        self._thread.run(self.start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._thread is not None
        self._thread.run(self.aclose())
        self._thread.stop()
        self._thread = None

    # --- connections ---

    def _admit(self, request: HandshakeRequest) -> Refusal | str | None:
        self.requests.append(request)
        return self._admission.admit(request)

    def _serve(self, connection: LoopbackConnection) -> None:
        def on_event(event_type: str | None) -> None:
            for fault in self._faults.due(event_type):
                connection.inject(fault)

        on_event(None)
        session = EmulatedSession(
            connection, self._dialect, self._model, self._options_for(connection.request), on_event
        )
        self.sessions.append(session)
        session.open(self._errors.popleft() if self._errors else None)
        self._arrived.set()

    def _options_for(self, request: HandshakeRequest) -> SessionOptions:
        """What the address, and the ephemeral key, say of the session."""
        query: dict[str, Any] = {"model": request.query.get("model") or request.query.get("deployment")}
        if request.query.get("intent") == "transcription":
            query["kind"] = "transcription"
        bound = read_session(self._admission.session_of(request))
        return self._options.merged(SessionOptions(**query)).merged(bound)


def _defaults(dialect: Dialect) -> SessionOptions:
    """What a session of such servers is like at first."""
    can = dialect.capabilities
    always = can.input_transcripts == "always"
    return SessionOptions(
        model="emulated",
        input_audio=_first(can.input_formats),
        output_audio=_first(can.output_formats),
        turn_detection=None if "server" in can.turn_detections else OFF,
        transcription=Transcription() if always else OFF,
    )


def _first(formats: frozenset[AudioFormat] | None) -> AudioFormat:
    if not formats or PCM16_24K in formats:
        return PCM16_24K
    return min(formats, key=str)
