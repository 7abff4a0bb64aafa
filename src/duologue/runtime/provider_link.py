"""What every provider's session does, whatever its wire: checks, sequencing, interruption, turns, the end."""

from __future__ import annotations

import asyncio
import itertools
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import force_setattr, replace

from duologue import messages as m
from duologue.capabilities import Capabilities, check_message
from duologue.errors import DuologueError, InvalidAudio, InvalidInput, SessionClosed, SessionEnded, SessionFailed
from duologue.formats import PCM16_24K
from duologue.link import Link, ProviderMetadata, Receiver
from duologue.messages.base import ClientMessage, Meta, ServerMessage, set_meta
from duologue.options import SessionOptions
from duologue.runtime.playback import PlaybackTracker
from duologue.runtime.route import Route, tell_ended
from duologue.runtime.sequencer import ResponseSequencer
from duologue.runtime.turns import TurnTracker

_ids = itertools.count(1)


class ProviderLink(Link):
    """The bottom of a chain of links. Subclasses bring the wire: `_write`, `_flush`, `_hang_up` and the reading.

    Args:
        options: What was asked for, as far as the provider can carry it.
        capabilities: What the session can do.
        metadata: Who is at the other end.
        dropped: The preferences that were left out.
        clock: Seconds of a monotonic clock.
        turn_ends_are_told: Whether the wire tells when a turn is over.
    """

    def __init__(
        self,
        options: SessionOptions,
        capabilities: Capabilities,
        metadata: ProviderMetadata,
        dropped: tuple[str, ...] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
        turn_ends_are_told: bool = False,
    ) -> None:
        self.metadata = metadata
        self._options = options
        self._capabilities = capabilities
        self._dropped = dropped
        self._clock = clock
        self._receiver: Receiver | None = None
        self._route = Route()
        self._last_route = Route()
        self._early: deque[ServerMessage] = deque()
        self._end: SessionEnded | None = None
        self._sequencer = ResponseSequencer(options)
        self._playback = PlaybackTracker(options, capabilities)
        self._turns = TurnTracker(
            answers=capabilities.output_transcripts != "never" or capabilities.explicit_response,
            waits_for_calls=not capabilities.tool_scheduling,
            ends_are_told=turn_ends_are_told,
        )
        self._updates: dict[str, SessionOptions] = {}  # sent and not yet confirmed, by message id
        self._idle = asyncio.Event()  # no response request waits
        self._idle.set()
        self._last_error: m.ErrorDetail | None = None
        self._mask_error: Callable[[m.ErrorDetail], m.ErrorDetail] | None = None
        self._closing: asyncio.Task[None] | None = None

    # --- for subclasses: the wire ---

    @abstractmethod
    def _write(self, message: ClientMessage) -> None:
        """Hand `message` to the wire, all or nothing, without waiting."""

    def _write_audio(self, message: m.InputAudioAppend) -> bool:
        """The same for audio, which changes nothing else and comes often. Gives whether `_flush` would not wait."""
        self._write(message)
        return not self._is_congested

    @property
    def _is_congested(self) -> bool:
        """Whether `_flush` may wait for what was written."""
        return True

    @abstractmethod
    async def _flush(self) -> None:
        """Wait while the wire is slow to take what was written; past the time allowed, the session ends."""

    @abstractmethod
    async def _hang_up(self) -> None:
        """Say goodbye, and end every task, socket and worker of this session."""

    def leave_truncation(self) -> None:
        """Truncate nothing after interruptions: the application does so by itself, as clients of a gateway do."""
        self._playback.truncates = False

    def mask_errors(self, mask: Callable[[m.ErrorDetail], m.ErrorDetail]) -> None:
        """Show what the provider says of errors as `mask` gives it: it may quote the key."""
        self._mask_error = mask

    # --- what it is ---

    @property
    def options(self) -> SessionOptions:
        return self._options

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    @property
    def dropped(self) -> tuple[str, ...]:
        return self._dropped

    @property
    def end(self) -> SessionEnded | None:
        """Why the session is over; None while it is open."""
        return self._end

    def connect(self, receiver: Receiver) -> None:
        over = self._end
        self._receiver = receiver
        self._route = Route(receiver)
        self._last_route = Route(receiver, last=True)
        while self._early and self._end is over:
            self._push(self._early.popleft())
        if over is not None:
            tell_ended(receiver, over)

    # --- down ---

    async def send(self, message: ClientMessage) -> str:
        if self._end is not None:
            raise self._end.with_traceback(None)
        if type(message) is not m.InputAudioAppend and not isinstance(message, ClientMessage):
            raise InvalidInput(f"A session sends client messages, not {type(message).__name__}.")
        message_id = message.id
        if message_id is None:
            message_id = f"msg_{next(_ids)}"
            message = replace(message, id=message_id)
        if type(message) is m.InputAudioAppend:
            if message.format is not None or len(message.audio) % 2:
                self._check_audio(message)
            taken = self._write_audio(message)
        else:
            self._accept(message)
            taken = not self._is_congested
        if not taken:
            await self._flush()
        return message_id

    async def drain(self) -> None:
        await self._idle.wait()
        if self._end is not None and not isinstance(self._end, SessionClosed):
            raise self._end.with_traceback(None)
        await self._flush()

    def _accept(self, message: ClientMessage) -> None:
        check_message(message, self._capabilities, self.metadata.provider)
        match message:
            case m.OutputAudioPlayed():
                self._playback.played(message)
            case m.OutputAudioClear():
                self._clear_output(message)
            case m.ResponseCreate() | m.Say():
                self._request(message)
            case m.UserTurnEnd(respond=True) if self._sequencer.is_busy and self._capabilities.explicit_response:
                self._end_turn(message)
            case m.SessionUpdate(id=str(update_id)):
                self._updates[update_id] = message.options  # before it is sent: the answer may come at once
                try:
                    self._write(message)
                except BaseException:
                    self._updates.pop(update_id, None)
                    raise
            case _:
                self._sequencer.sent(message)
                self._push_all(self._turns.sent(message))  # before it is sent: the answer may come at once
                try:
                    self._write(message)
                except BaseException:
                    self._sequencer.not_sent(message)
                    raise
        self._note_waiting()

    def _request(self, request: m.ResponseCreate | m.Say) -> None:
        for message in self._sequencer.request(request):
            try:
                self._write(message)
            except BaseException:
                self._sequencer.withdraw(request)
                raise

    def _end_turn(self, message: m.UserTurnEnd) -> None:
        """The answer to a turn that ends while another is on its way waits for its end, as all that is asked for."""
        answer = m.ResponseCreate(id=f"{message.id}_response")
        requests = self._sequencer.request(answer)
        try:
            self._push_all(self._turns.sent(message))
            self._write(replace(message, respond=False))
        except BaseException:
            self._sequencer.withdraw(answer)
            raise
        self._write_requests(requests)

    def _write_requests(self, requests: list[ClientMessage]) -> None:
        """Send requests that have waited for their turn. What the wire cannot say is refused in the session."""
        while requests:
            request, *requests = requests
            assert isinstance(request, m.ResponseCreate | m.Say)
            try:
                self._write(request)
            except DuologueError as error:
                requests += self._sequencer.withdraw(request)
                detail = m.ErrorDetail(message=str(error), type=type(error).__name__)
                self._push(m.ErrorReported(kind="invalid_request", error=detail, cause_id=request.id, cause=request))

    def _clear_output(self, message: m.OutputAudioClear) -> None:
        sequencer = self._sequencer
        if self._capabilities.cancel and (sequencer.active is not None or sequencer.awaits_response):
            self._write(m.ResponseCancel(id=message.id, response_id=sequencer.active))
        if self._capabilities.tracks_playback:
            self._write(message)
        interrupted, to_send = self._playback.interrupt(self._clock())
        self._write_all(to_send)
        for notice in interrupted:
            self._push_all(self._turns.received(notice, self._sequencer.awaits_follow_up))

    def _check_audio(self, message: m.InputAudioAppend) -> None:
        expected = self._options.input_audio or PCM16_24K
        if message.format is not None and message.format != expected:
            raise InvalidAudio(
                f"This session takes {expected}, and the audio is {message.format}. Use "
                "with_middleware(AudioConversion()) to convert it, or open the session with that format."
            )
        if len(message.audio) % 2 and len(message.audio) % expected.sample_bytes:  # a sample has one byte or two
            raise InvalidAudio(
                f"{len(message.audio)} bytes are no whole samples of {expected}. Nothing was sent. Keep the odd byte "
                "for the next chunk, or use with_middleware(AudioConversion()), which does."
            )

    def _write_all(self, messages: Iterable[ClientMessage]) -> None:
        for message in messages:
            if message.id is None:
                message = replace(message, id=f"msg_{next(_ids)}")
            self._write(message)

    # --- up ---

    def _take(self, messages: Iterable[ServerMessage]) -> None:
        """Take what the provider says, in order. What is raised on the way ends the session."""
        for message in messages:
            if self._end is not None:
                return
            try:
                self._take_one(message)
            except Exception as error:  # noqa: BLE001 - raised to the reader
                self.fail(error)

    def _take_one(self, message: ServerMessage) -> None:
        kind = type(message)
        if kind in DELTAS:
            if self._note_delta(message, self._clock()):
                self._push(message)
            return
        if kind is m.InputTranscriptDelta:
            self._turns.mark(message)
            self._push(message)
            return
        if self._mask_error is not None and (error := getattr(message, "error", None)) is not None:
            force_setattr(message, "error", self._mask_error(error))
        self._note_options(message)
        shown, requests = self._sequencer.received(message)
        up, to_send = self._playback.received(message, self._clock())
        if shown:
            for visible in up:
                self._push_all(self._turns.received(visible, self._sequencer.awaits_follow_up), message.meta)
        if self._end is None:
            self._write_all(to_send)
            self._write_requests(requests)
        self._note_waiting()

    def _note_delta(self, message: Any, now: float) -> bool:
        """Note a piece of an answer, one of `DELTAS`, and tell whether it is to be handed on."""
        if type(message) is m.OutputAudioDelta and not self._playback.audio(message, now):
            return False
        turn = self._turns.turn_of(message.response_id)
        if turn is not None and message.turn_id is None:
            force_setattr(message, "turn_id", turn)
        return True

    def _note_options(self, message: ServerMessage) -> None:
        """Keep `options` at what holds, and hand on the application's own tools rather than the provider's copies."""
        match message:
            case m.SessionCreated():
                self._options = _confirmed(self._options, message.options)
            case m.SessionUpdated():
                update_id = next(iter(self._updates), None)
                sent = self._updates.pop(update_id) if update_id else None
                self._options = _confirmed(self._options.merged(sent), message.options)
            case m.ErrorReported():
                self._last_error = message.error
                self._updates.pop(message.cause_id or "", None)
                return
            case _:
                return
        force_setattr(message, "options", self._options)
        self._sequencer.options = self._playback.options = self._options

    def _push_all(self, messages: Iterable[ServerMessage], cause: Meta | None = None) -> None:
        for message in messages:
            if cause is not None and message.meta is None:
                set_meta(message, cause)
            if self._end is None:
                self._push(message)

    def _push(self, message: ServerMessage) -> None:
        """Hand `message` to the layers. What they raise goes to the reader, never to who sends or to the wire."""
        if self._receiver is None:
            self._early.append(message)
            return
        try:
            self._route.to(type(message))(message)
        except Exception as error:  # noqa: BLE001 - raised to the reader
            self.fail(error)

    def _note_waiting(self) -> None:
        if self._sequencer.waiting and self._end is None:
            self._idle.clear()
        else:
            self._idle.set()

    # --- the end ---

    def fail(self, error: BaseException) -> None:
        if self._end is None:
            failed = SessionFailed(f"The session raised {type(error).__name__}.", provider=self.metadata.provider)
            failed.__cause__ = error
            self._finish(failed)
        elif not isinstance(error, SessionEnded):  # too late for the reader, and not to be lost
            context = {"message": "A layer raised after the end of its session.", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)

    def _finish(self, end: SessionEnded) -> None:
        """The session is over. Only the first end counts. What it holds is let go of."""
        if self._end is not None:
            return
        self._end = end
        self._idle.set()
        self._closing = asyncio.get_running_loop().create_task(self._hang_up())
        if self._receiver is not None:
            tell_ended(self._receiver, end)

    async def aclose(self) -> None:
        self._finish(SessionClosed("The session was closed on our side.", provider=self.metadata.provider))
        assert self._closing is not None
        await asyncio.shield(self._closing)


DELTAS = frozenset(
    {m.OutputAudioDelta, m.OutputTranscriptDelta, m.OutputTextDelta, m.FunctionArgumentsDelta, m.ReasoningDelta}
)
"""Pieces of an answer: most of what arrives."""


def _confirmed(options: SessionOptions, confirmed: SessionOptions) -> SessionOptions:
    return options.merged(replace(confirmed, tools=None, history=None, raw_factory=None))
