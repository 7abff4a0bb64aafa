"""A server on loopback that speaks OpenAI's realtime wire."""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from duologue import messages as m
from duologue.errors import SpeechFailed
from duologue.formats import PCM16_24K, AudioFormat
from duologue.options import OFF, SessionOptions, Transcription
from duologue.protocols.openai import OPENAI, Dialect
from duologue.protocols.openai.session_reading import read_session
from duologue.testing.emulation.emulator import Emulator
from duologue.testing.emulation.model import EmulatedModel, Replies
from duologue.testing.loopback import HandshakeRequest, HttpRequest, HttpResponse, LoopbackConnection, Refusal
from duologue.testing.openai_emulator.admission import Admission
from duologue.testing.openai_emulator.calls import EmulatedCall
from duologue.testing.openai_emulator.session import OpenAIEmulatedSession


class OpenAIEmulator(Emulator[OpenAIEmulatedSession]):
    """Plays a realtime server, for tests without a key: any client that speaks the wire can talk to it.

    ::

        async with OpenAIEmulator(["Hello!"]) as emulator:
            client = OpenAIRealtimeClient("gpt-realtime", base_url=emulator.url, api_key="any")

    It has the semantics of OpenAI's API: turn detection by loudness, transcripts, responses one at a time, items,
    truncation, errors with the id of the event that caused them. Speech is a tone for each word. It answers at any
    path, on 127.0.0.1 and a free port, and makes ephemeral keys at those that end with ``/client_secrets``. Use it
    with ``async with`` on an event loop, or with ``with``, in a thread of its own. Needs
    ``pip install "duologue[testing]"``.

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
        tls: True: with a certificate that is made for this server (see `client_context`); or a context of your own.

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
        tls: bool | ssl.SSLContext = False,
    ) -> None:
        super().__init__(tls)
        self._dialect = dialect
        self._model = EmulatedModel(replies, hears, word_ms, lead_ms)
        self._options = _defaults(dialect).merged(options)
        self._admission = Admission(api_key)
        self._errors: deque[m.ErrorDetail] = deque()
        self._calls: dict[str, EmulatedCall] = {}

    def fail_opening(self, error: m.ErrorDetail, *, times: int = 1) -> None:
        """Send an ``error`` in place of ``session.created`` to the next `times` connections, then hang up (1011)."""
        self._errors.extend([error] * times)

    async def hold_call(self, call_id: str, options: SessionOptions | None = None) -> EmulatedCall:
        """Begin a call, of WebRTC or a telephone, that clients join with its `call_id`. Others are refused with 404.

        Await it, and what the call has to be awaited for, on the emulator's event loop: in a test without one,
        ``emulator.run(emulator.hold_call("rtc_1"))``.

        Args:
            call_id: Its name. A call that has the name already ends.
            options: What its session is like at first.
        """
        if call_id in self._calls:
            await self._calls[call_id].aclose()
        call = EmulatedCall(call_id, self._model, self._options.merged(options))
        self._calls[call_id] = call
        return call

    async def aclose(self) -> None:
        for call in self._calls.values():
            await call.aclose()
        await super().aclose()

    def admit(self, request: HandshakeRequest) -> Refusal | str | None:
        return self._admission.admit(request, [name for name, call in self._calls.items() if not call.is_over])

    def answer_http(self, request: HttpRequest) -> HttpResponse | None:
        return self._admission.answer(request)

    def new_session(self, connection: LoopbackConnection, on_event: Callable[[str], None]) -> OpenAIEmulatedSession:
        options = self._options_for(connection.request)
        call = self._calls.get(connection.request.query.get("call_id", ""))
        return OpenAIEmulatedSession(connection, self._dialect, self._model, options, on_event, call)

    def greet(self, session: OpenAIEmulatedSession, request: HandshakeRequest) -> None:
        session.open(self._errors.popleft() if self._errors else None)

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
