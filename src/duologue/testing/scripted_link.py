"""The provider's side of a session that follows a script."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.errors import HungUp, SessionClosed, SessionEnded
from duologue.formats import PCM16_24K
from duologue.lifecycle import ResponseBuilder
from duologue.link import ProviderMetadata
from duologue.messages.base import ClientMessage, Meta, ServerMessage, set_meta
from duologue.options import SessionOptions
from duologue.runtime import ProviderLink
from duologue.testing.replies import ScriptedReply

Sent = TypeVar("Sent", bound=ClientMessage)
Answer = ScriptedReply | Iterable[ServerMessage] | None


class ScriptedLink(ProviderLink):
    """One session with a scripted provider; get it with ``client.link`` or ``session.get_service(ScriptedLink)``.

    Everything that it sends arrives in order, a turn of the event loop after its cause.

    Attributes:
        sent: All that has reached the provider, in order: also what the library sent by itself, such as truncations;
            and `OutputAudioPlayed`, which a real provider does not see.
        replies: The answers that are left, the next one first.
        active: The response that is open, if its reply was `held`.
    """

    def __init__(
        self,
        options: SessionOptions,
        capabilities: Capabilities,
        metadata: ProviderMetadata,
        dropped: tuple[str, ...],
        replies: Iterable[ScriptedReply],
        answers: Mapping[type[ClientMessage], Callable[[Any], Answer]],
        clock: Callable[[], float],
    ) -> None:
        super().__init__(options, capabilities, metadata, dropped, clock=clock)
        self.sent: list[ClientMessage] = []
        self.replies = deque(replies)
        self._answers = answers
        self._arriving: deque[ServerMessage | SessionEnded] = deque()
        self._sequence = itertools.count()
        self._numbers = itertools.count(1)
        self._taken = {item.id for item in options.history or ()}
        self._last_item_id: str | None = None
        self._response: ResponseBuilder | None = None
        self._scheduled = self._paused = False
        self._room = asyncio.Event()
        self._room.set()
        self._news = asyncio.Event()

    @property
    def active(self) -> ResponseBuilder | None:
        response = self._response
        return None if response is None or response.is_done else response

    # --- what a test does ---

    def push(self, *messages: ServerMessage) -> None:
        """Have the provider send these."""
        self._arriving.extend(messages)
        self._schedule()

    def respond(self, reply: ScriptedReply | str | None = None) -> None:
        """Have the provider start a response by itself: with `reply`, or with the next one of the script."""
        self.push(*self._reply(reply, m.ResponseCreate()))

    def hear(self, text: str, *, respond: bool = True) -> None:
        """Have the user say `text`, found by the provider's turn detection; it answers with the script's next reply.

        An open response is cancelled, as providers do.
        """
        item_id = self._make_id("item")
        self.push(m.InputSpeechStarted(item_id=item_id))
        if self.active is not None:
            self.push(*self.active.end("cancelled", reason="turn_detected"))
        self.push(m.InputSpeechStopped(item_id=item_id), *self._commit(item_id, text))
        if respond:
            self.respond()

    def hang_up(self, end: SessionEnded | None = None) -> None:
        """Have the provider end the session, after all that it has sent."""
        provider = self.metadata.provider
        self._arriving.append(end or HungUp("The script ended the session.", provider=provider))
        self._schedule()

    def block_sending(self) -> None:
        """Take what is sent, but let whoever sends it wait until `unblock_sending`: a slow network."""
        self._room.clear()

    def unblock_sending(self) -> None:
        """Let all who wait go on."""
        self._room.set()

    def sent_of(self, kind: type[Sent]) -> list[Sent]:
        """What was sent of that kind, in order."""
        return [message for message in self.sent if isinstance(message, kind)]

    async def wait_sent(self, kind: type[Sent], count: int = 1) -> list[Sent]:
        """Wait until `count` messages of that kind were sent, and give all of them.

        Raises:
            SessionEnded: The session is over, and they will not come.
        """
        while len(found := self.sent_of(kind)) < count:
            if self._end is not None:
                raise self._end.with_traceback(None)
            await self._news.wait()
        return found

    # --- the wire ---

    async def send(self, message: ClientMessage) -> str:
        message_id = await super().send(message)
        if isinstance(message, m.OutputAudioPlayed):
            self._record(message)
        return message_id

    def _write(self, message: ClientMessage) -> None:
        answer = self._answers.get(type(message))
        given = answer(message) if answer is not None else None
        if given is None:
            given = self._usual_answer(message)
        elif isinstance(given, ScriptedReply):
            given = self._reply(given, message if isinstance(message, m.ResponseCreate) else m.ResponseCreate())
        self._record(message)
        self.push(*given)

    async def _flush(self) -> None:
        await self._room.wait()
        if self._end is not None and not isinstance(self._end, SessionClosed):
            raise self._end.with_traceback(None)

    async def _hang_up(self) -> None:
        self._arriving.clear()

    def _finish(self, end: SessionEnded) -> None:
        super()._finish(end)
        self._room.set()
        self._announce()

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._schedule()

    def _record(self, message: ClientMessage) -> None:
        self.sent.append(message)
        self._announce()

    def _announce(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _schedule(self) -> None:
        if not self._scheduled and not self._paused and self._arriving:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        self._scheduled = False
        while self._arriving and not self._paused:
            message = self._arriving.popleft()
            if isinstance(message, SessionEnded):
                self._finish(message)
            else:
                self._deliver_one(message)

    def _deliver_one(self, message: ServerMessage) -> None:
        """Hand up a copy: what is noted on a message must not stay with the test's own."""
        message = msgspec.structs.replace(message)
        set_meta(message, Meta(time.monotonic_ns(), next(self._sequence)))
        self._take([message])

    def open(self) -> None:
        """Confirm the session."""
        self._deliver_one(m.SessionCreated(session_id="scripted", model=self.metadata.model, options=self._options))

    # --- what a provider usually does ---

    def _usual_answer(self, message: ClientMessage) -> Iterable[ServerMessage]:
        match message:
            case m.SessionUpdate(options=options):
                return [m.SessionUpdated(options=options)]
            case m.ItemCreate(item=item):
                return self._added(item)
            case m.ItemDelete(item_id=item_id):
                return [m.ItemDeleted(item_id=item_id)]
            case m.ItemTruncate():
                return [_truncated(message)]
            case m.InputAudioCommit():
                return self._commit(self._make_id("item"))
            case m.InputAudioClear():
                return [m.InputAudioCleared()]
            case m.UserTurnEnd(respond=respond):
                committed = self._commit(self._make_id("item"))
                return [*committed, *self._reply(None, m.ResponseCreate())] if respond else committed
            case m.ResponseCreate() | m.Say():
                return self._requested(message)
            case m.ResponseCancel() if self.active is not None:
                return self.active.end("cancelled", reason="client_cancelled")
            case _:
                return []

    def _requested(self, request: m.ResponseCreate | m.Say) -> Iterable[ServerMessage]:
        out_of_band = isinstance(request, m.ResponseCreate) and request.out_of_band
        if self.active is not None and not out_of_band:
            error = m.ErrorDetail(message="A response is active already.", type="invalid_request_error")
            return [m.ErrorReported(kind="response_active", error=error, cause_id=request.id)]
        if isinstance(request, m.Say):
            return self._reply(ScriptedReply.text(request.text), m.ResponseCreate())
        return self._reply(None, request)

    def _reply(self, reply: ScriptedReply | str | None, request: m.ResponseCreate) -> list[ServerMessage]:
        if reply is None:
            if not self.replies:
                raise AssertionError(
                    "A response was asked for, and the script has no reply left. Give ScriptedClient as many replies "
                    "as the application asks for, follow-ups after function calls included."
                )
            reply = self.replies.popleft()
        reply = ScriptedReply.text(reply) if isinstance(reply, str) else reply
        modalities = request.output_modalities or self._options.output_modalities or ("audio",)
        format = request.output_audio or self._options.output_audio or PCM16_24K
        response = ResponseBuilder(
            self._make_id("resp"),
            output_audio=format if "audio" in modalities else None,
            request=request,
            previous_item_id=self._last_item_id,
            make_id=self._make_id,
        )
        messages = reply.messages(response, format if "audio" in modalities else None)
        if not request.out_of_band:
            self._response = response
            self._last_item_id = response.items[-1].id if response.items else self._last_item_id
        return messages

    def _commit(self, item_id: str, transcript: str | None = None) -> list[ServerMessage]:
        content = m.AudioContent(transcript=transcript)
        committed = m.InputAudioCommitted(item_id=item_id, previous_item_id=self._last_item_id)
        added = self._added(m.MessageItem(id=item_id, role="user", content=(content,)))
        said = [] if transcript is None else [m.InputTranscriptCompleted(item_id=item_id, text=transcript)]
        return [committed, *added, *said]

    def _added(self, item: m.Item) -> list[ServerMessage]:
        item = msgspec.structs.replace(item, id=item.id or self._make_id("item"), status="completed")
        previous, self._last_item_id = self._last_item_id, item.id
        return [
            m.ItemAdded(item=item, previous_item_id=previous),
            m.ItemDone(item=item, previous_item_id=previous),
        ]

    def _make_id(self, kind: str) -> str:
        return next(name for name in (f"{kind}_{number}" for number in self._numbers) if name not in self._taken)


def _truncated(cut: m.ItemTruncate) -> m.ItemTruncated:
    return m.ItemTruncated(item_id=cut.item_id, content_index=cut.content_index, audio_end_ms=cut.audio_end_ms)
