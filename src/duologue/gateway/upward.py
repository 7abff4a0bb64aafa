"""A client's messages on their way to the upstream."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from duologue import messages as m
from duologue.errors import DuologueError, SessionEnded
from duologue.formats import PCM16_24K
from duologue.gateway.adaptation import adapted, adapted_request
from duologue.gateway.downward import Downward
from duologue.gateway.record import SessionRecord
from duologue.gateway.refusal import refusal
from duologue.gateway.terms import NotAllowed, Terms
from duologue.link import Link
from duologue.messages.base import ClientMessage


class Upward:
    """Checks what the client sends, and sends it on. What is refused is answered with an ``error`` event.

    Args:
        link: The session with the upstream.
        terms: What the client may do.
        down: The way back.
        record: What is noted.
        spend: Told of seconds of audio.
    """

    def __init__(
        self, link: Link, terms: Terms, down: Downward, record: SessionRecord, spend: Callable[[float], None]
    ) -> None:
        self._link = link
        self._terms = terms
        self._down = down
        self._record = record
        self._spend = spend
        self._goes_on_itself = False  # the upstream answers function results unasked, and has got some

    async def send(self, message: ClientMessage) -> None:
        """Send one message of the client's.

        Raises:
            SessionEnded: The session with the upstream is over.
        """
        self._record.sent(message)
        try:
            if type(message) is m.InputAudioAppend:
                format = self._link.options.input_audio or PCM16_24K
                seconds = len(message.audio) / format.bytes_per_second
                self._record.audio_in += seconds
                self._spend(seconds)
                await self._link.send(message)
            else:
                current = replace(self._link.options, model=self._record.model)  # the upstream has its own name for it
                await self._send(self._terms.check(message, current))
        except SessionEnded:
            raise
        except DuologueError as error:
            self._record.errors += 1
            self._down.answer(refusal(error, message.id))

    async def _send(self, message: ClientMessage) -> None:
        match message:
            case m.SessionUpdate():
                await self._update(message)
                return
            case m.ResponseCreate():
                await self._request(message)
                return
            case m.ItemCreate(item=m.FunctionResult(call_id=call_id)):
                if self._down.is_hidden_call(call_id):
                    raise NotAllowed(f"There is no open call {call_id!r}.", "invalid_value", "item.call_id")
                self._goes_on_itself = self._link.capabilities.continues_after_tool_results
            case m.ItemCreate() | m.InputAudioCommit():
                self._goes_on_itself = False
            case m.ResponseCancel() if not self._down.is_cancellable(message.response_id):
                raise NotAllowed("Cancellation failed: no active response found.", "response_cancel_not_active")
            case m.ItemDelete() | m.ItemRetrieve() | m.ItemTruncate() if self._down.is_hidden_item(message.item_id):
                raise NotAllowed(f"There is no item {message.item_id!r}.", "item_not_found", "item_id")
            case _:
                pass
        await self._link.send(message)

    async def _update(self, update: m.SessionUpdate) -> None:
        can, provider = self._link.capabilities, self._link.metadata.provider
        changes, dropped = adapted(update.options, can, provider, self._terms.ignores)
        self._record.dropped = tuple(dict.fromkeys((*self._record.dropped, *dropped)))
        if changes.stated():
            await self._link.send(replace(update, options=changes))
        else:  # nothing of it changes anything
            self._down.received(m.SessionUpdated(options=self._link.options))

    async def _request(self, request: m.ResponseCreate) -> None:
        can = self._link.capabilities
        request = adapted_request(request, self._terms.ignores)
        if not can.metadata:
            request = self._down.metadata.taken_from(request)
        if self._goes_on_itself and not request.overrides():
            self._goes_on_itself = False  # the response that comes anyway is the answer
            return
        self._down.asked(request)
        await self._link.send(request)
