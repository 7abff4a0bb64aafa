"""A server on loopback that speaks Gemini Live's wire."""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Callable, Iterable

from duologue.errors import SpeechFailed
from duologue.protocols.gemini import GEMINI, GeminiDialect
from duologue.testing.emulation.emulator import Emulator
from duologue.testing.emulation.model import EmulatedModel, Replies
from duologue.testing.gemini_emulator.admission import Admission
from duologue.testing.gemini_emulator.session import GeminiEmulatedSession
from duologue.testing.gemini_emulator.turns import Handles
from duologue.testing.loopback import HandshakeRequest, HttpRequest, HttpResponse, LoopbackConnection, Refusal


class GeminiEmulator(Emulator[GeminiEmulatedSession]):
    """Plays Gemini Live, for tests without a key: any client that speaks the wire can talk to it.

    ::

        async with GeminiEmulator(["Hello!"]) as emulator:
            client = GeminiRealtimeClient("gemini-3.8-live", base_url=emulator.url, api_key="any")

    It has the semantics of the service: the setup, turn detection by loudness or turns that the client marks,
    transcripts, answers that what is written or said interrupts, functions that block and functions in the background,
    handles to take a conversation up again, usage. What it does not take ends the connection with a reason, as there.
    Speech is a tone for each word. It answers at any path that ends with the service's method, on 127.0.0.1 and a free
    port, and makes ephemeral tokens at those that end with ``/auth_tokens``. A turn is complete as soon as its answer
    is generated, while the service waits for the playback. Use it with ``async with`` on an event loop, or with
    ``with``, in a thread of its own. Needs ``pip install "duologue[testing]"``.

    ``google-genai`` insists on TLS: give ``tls=True``, and `client_context` to that client.

    Args:
        replies: What the model answers: a list with one reply for each response (every session plays it from its
            beginning), a function of the `ResponderRequest`, or a `Responder`; None: it repeats what it is told. A
            reply is a text, a `CallRequested`, an exception (the response fails), or a list of these.
        hears: What the user says, one transcript for each turn that is spoken; loud audio is speech.
        dialect: Which service it is: `GEMINI`, or `VERTEX_AI`. The family of models follows from the setup.
        api_key: The only key, or access token, that is right; None: any will do, and none.
        models: The names of the models that there are; None: any.
        word_ms: How long it takes to say a word, in ms.
        lead_ms: How far ahead of playback audio is sent, in ms.
        tls: True: with a certificate that is made for this server (see `client_context`); or a context of your own.

    Attributes:
        sessions: The server's side of all sessions, the oldest first.
        requests: The handshakes of all connections, refused ones included.
        dialect: Which service it is.
    """

    def __init__(
        self,
        replies: Replies | None = None,
        *,
        hears: Iterable[str | SpeechFailed] = (),
        dialect: GeminiDialect = GEMINI,
        api_key: str | None = None,
        models: Iterable[str] | None = None,
        word_ms: int = 100,
        lead_ms: float = 60_000,
        tls: bool | ssl.SSLContext = False,
    ) -> None:
        super().__init__(tls)
        self.dialect = dialect
        self._model = EmulatedModel(replies, hears, word_ms, lead_ms)
        self._models = None if models is None else frozenset(models)
        self._admission = Admission(dialect.service, api_key)
        self._handles = Handles()
        self._objections: deque[tuple[int, str]] = deque()

    def fail_opening(self, reason: str, *, code: int = 1011, times: int = 1) -> None:
        """Hang up on the next `times` connections when their setup comes, with that code and reason."""
        self._objections.extend([(code, reason)] * times)

    def admit(self, request: HandshakeRequest) -> Refusal | str | None:
        return self._admission.admit(request)

    def answer_http(self, request: HttpRequest) -> HttpResponse | None:
        return self._admission.answer(request)

    def new_session(self, connection: LoopbackConnection, on_event: Callable[[str], None]) -> GeminiEmulatedSession:
        return GeminiEmulatedSession(
            connection,
            self.dialect,
            self._model,
            self._handles,
            models=self._models,
            token=self._admission.token(connection.request),
            on_event=on_event,
        )

    def greet(self, session: GeminiEmulatedSession, request: HandshakeRequest) -> None:
        session.open(self._objections.popleft() if self._objections else self._admission.objection(request))
