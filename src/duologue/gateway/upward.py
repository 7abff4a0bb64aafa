"""A client's messages on their way to the upstream."""

from __future__ import annotations

import time
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
from duologue.lifecycle import new_id
from duologue.link import Link
from duologue.messages.base import ClientMessage

_PATIENCE = 0.1
"""How long the request for an answer may come after the result of a function that it belongs to, in s."""


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
        self._held: list[m.ItemCreate] = []  # results of functions that the upstream answers unasked
        self._held_until = 0.0

    @property
    def patience(self) -> float | None:
        """How long to wait for the client's next event before `release`, in s; None: as long as it takes."""
        return max(0.0, self._held_until - time.monotonic()) if self._held else None

    async def release(self) -> None:
        """Send results of functions that were held back for the request that comes with them."""
        held, self._held = self._held, []
        for result in held:
            self._down.follow_ups.result_sent(str(result.id))
            try:
                await self._link.send(result)
            except SessionEnded:
                raise
            except DuologueError as error:
                self._refuse(error, result.id)

    async def send(self, message: ClientMessage) -> None:
        """Send one message of the client's.

        Raises:
            SessionEnded: The session with the upstream is over.
        """
        self._record.sent(message)
        if message.id is None and type(message) is not m.InputAudioAppend:
            message = replace(message, id=new_id("sent"))
        try:
            if type(message) is m.InputAudioAppend:
                format = self._link.options.input_audio or PCM16_24K
                seconds = len(message.audio) / format.bytes_per_second
                self._record.audio_in += seconds
                self._spend(seconds)
                await self._link.send(message)
            else:
                current = replace(self._link.options, model=self._record.model)  # the upstream has its own name for it
                await self._send(self._terms.check(self._down.meant(message), current))
        except SessionEnded:
            raise
        except DuologueError as error:
            self._refuse(error, message.id)

    def _refuse(self, error: DuologueError, message_id: str | None) -> None:
        self._record.errors += 1
        self._down.follow_ups.refused(message_id)
        self._down.metadata.refused(message_id)
        self._down.answer(refusal(error, message_id))

    async def _send(self, message: ClientMessage) -> None:
        is_result = isinstance(message, m.ItemCreate) and isinstance(message.item, m.FunctionResult)
        if self._held and not is_result and not isinstance(message, m.ResponseCreate):
            await self.release()
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
                if self._link.capabilities.continues_after_tool_results:
                    self._held.append(message)
                    self._held_until = max(self._held_until, time.monotonic() + _PATIENCE)
                    return
            case m.ItemCreate() | m.InputAudioCommit():
                self._down.follow_ups.forget()
            case m.ResponseCancel() if not self._down.is_cancellable(message.response_id):
                raise NotAllowed("Cancellation failed: no active response found.", "response_cancel_not_active")
            case m.ItemDelete() | m.ItemRetrieve() | m.ItemTruncate() if self._down.is_hidden_item(message.item_id):
                raise NotAllowed(f"There is no item {message.item_id!r}.", "item_not_found", "item_id")
            case m.ItemTruncate() if (cut := self._down.cut(message)) is not None:
                self._down.answer(cut)
                return
            case m.ItemRetrieve() if (retrieved := self._down.retrieved(message.item_id)) is not None:
                self._down.answer(retrieved)
                return
            case m.OutputAudioClear():
                await self._down.quietly(self._link.send(message))
                return
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
        request = adapted_request(request, self._terms.ignores)
        follow_ups = self._down.follow_ups
        comes_anyway = follow_ups.covers(request, has_results=bool(self._held))
        is_late = comes_anyway and not (self._held or follow_ups.is_open)  # that answer has begun
        if not is_late:
            if not self._link.capabilities.metadata:
                request = self._down.metadata.taken_from(request)
            self._down.asked(request)
        await self.release()
        if follow_ups.covers(request):
            follow_ups.asked_for()
        else:
            await self._link.send(request)
