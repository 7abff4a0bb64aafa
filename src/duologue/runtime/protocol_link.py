"""The link of a provider behind a wire: a protocol and a transport, joined."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from msgspec.structs import force_setattr

from duologue.capabilities import Capabilities
from duologue.errors import ConnectRefused, CutOff, SessionClosed, SessionEnded
from duologue.link import ProviderMetadata
from duologue.messages import ClientMessage, InputAudioAppend, OutputAudioDelta, ServerMessage
from duologue.messages.base import Meta, set_meta
from duologue.options import SessionOptions
from duologue.protocols import Protocol, ProtocolState
from duologue.runtime.provider_link import DELTAS, ProviderLink
from duologue.transports import Closed, Frame, Transport


class ProtocolLink(ProviderLink):
    """Feeds frames to a protocol, its messages up, and its frames to a transport.

    Args:
        protocol: The wire, in the client's role, which has been opened with `options`.
        transport: An open connection; the link owns it from now on.
        open_timeout: How long the provider may take to confirm the session, in s.
        send_timeout: How long one message may take to leave before the session counts as cut off, in s.
        request_id: The id that the provider gave the connection, for the session's end.
        explain_end: Rewrites the session's end before anybody sees it.
    """

    def __init__(
        self,
        protocol: Protocol[ClientMessage, ServerMessage],
        transport: Transport,
        options: SessionOptions,
        capabilities: Capabilities,
        metadata: ProviderMetadata,
        dropped: tuple[str, ...] = (),
        *,
        open_timeout: float = 15.0,
        send_timeout: float = 30.0,
        request_id: str | None = None,
        explain_end: Callable[[SessionEnded], SessionEnded] = lambda end: end,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(options, capabilities, metadata, dropped, clock=clock, turn_ends_are_told=protocol.tells_turns)
        self._protocol = protocol
        self._transport = transport
        self._open_timeout = open_timeout
        self._send_timeout = send_timeout
        self._request_id = request_id
        self._explain_end = explain_end
        self._frames = 0
        self._turn_of = self._turns.turn_of
        self._lost = False  # nothing can be sent any more
        self._changed = asyncio.Event()  # the session is open, or over
        self._timer: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Open the session on the wire, and return once the provider has confirmed it.

        Raises:
            ConnectRefused: It refused, or did not answer in time.
        """
        try:
            self._after_protocol()
            self._transport.start(self, self.piece_received)
            async with asyncio.timeout(self._open_timeout):
                await self._changed.wait()
        except TimeoutError:
            await self.aclose()
            raise ConnectRefused(
                f"No confirmation of the session within {self._open_timeout:g} s.",
                provider=self.metadata.provider,
                request_id=self._request_id,
                retryable=True,
            ) from None
        except BaseException:
            await self.aclose()
            raise
        if self._end is not None:
            await self.aclose()
            if isinstance(self._end, ConnectRefused):
                raise self._end
            raise _refused(self._end) from self._end

    # --- the transport's side ---

    def frame_received(self, frame: Frame) -> None:
        if self._end is not None:
            return
        now = self._clock()
        meta = Meta(int(now * 1e9), self._frames, frame)
        self._frames += 1
        try:
            messages = self._protocol.receive(frame)
            for message in messages:
                set_meta(message, meta)
            if len(messages) == 1 and type(messages[0]) in DELTAS:
                if self._note_delta(messages[0], now):
                    self._push_last(messages[0])
                return
            self._take(messages)
            self._after_protocol()
        except Exception as error:  # noqa: BLE001 - raised to the reader
            self.fail(error)

    def piece_received(self, frame: Frame) -> bool:
        """Take a frame that tells one more piece of an answer; gives whether it does. Else nothing was done with it.

        Most of what comes is that, and it changes nothing in a protocol: as `frame_received`, with as few calls as
        can be.
        """
        if self._end is not None:
            return True
        clock = self._clock
        now = clock()
        try:
            more = self._protocol.delta(frame)
            if more is None:
                return False
            message: Any
            message, kept = more
            sequence = self._frames
            self._frames = sequence + 1
            force_setattr(message, "_meta", (now, sequence, kept))
            if type(message) is OutputAudioDelta and not self._playback.audio(message, now):
                return True
            turn_of = self._turn_of
            turn = turn_of(message.response_id)
            if turn is not None:
                force_setattr(message, "turn_id", turn)
            if self._receiver is None:
                self._early.append(message)
            else:  # as `_push_last`, with one call less
                self._last_route.to(type(message))(message)
        except Exception as error:  # noqa: BLE001 - raised to the reader
            self.fail(error)
        return True

    def _push_last(self, message: ServerMessage) -> None:
        """Hand `message` up, as the last thing that is done for its frame: the reader may go on within this call."""
        if self._receiver is None:
            self._early.append(message)
        else:
            self._last_route.to(type(message))(message)

    def connection_closed(self, how: Closed) -> None:
        self._lose(how)

    def _lose(self, how: Closed, end: SessionEnded | None = None) -> None:
        """The connection is of no more use: end what is open, then the session."""
        if self._lost or self._end is not None:
            return
        self._lost = True
        try:
            messages, meaning = self._protocol.connection_lost(how)
            self._take(messages)
            self._finish(end or meaning)
        except Exception as error:  # noqa: BLE001 - raised to the reader
            self.fail(error)

    # --- the link's side ---

    def _write(self, message: ClientMessage) -> None:
        if not self._lost:
            self._protocol.send(message)
            self._after_protocol()

    def _write_audio(self, message: InputAudioAppend) -> bool:
        if self._lost:
            return False
        frame = self._protocol.audio_frame(message)
        if frame is None:
            self._write(message)
        else:
            self._transport.write(frame)
        return not self._transport.congested

    @property
    def _is_congested(self) -> bool:
        return self._transport.congested

    async def _flush(self) -> None:
        if not self._transport.congested:
            return
        try:
            async with asyncio.timeout(self._send_timeout):
                await self._transport.drain()
        except TimeoutError:
            end = CutOff(
                f"The provider took nothing for {self._send_timeout:g} s.",
                provider=self.metadata.provider,
                retryable=True,
                last_error=self._last_error,
            )
            self._lose(Closed(error=end.message), end)
        if self._end is not None and not isinstance(self._end, SessionClosed):
            raise self._end.with_traceback(None)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    async def aclose(self) -> None:
        if self._end is None:
            self._protocol.close()
            self._send_frames()
        await super().aclose()

    async def _hang_up(self) -> None:
        self._cancel_timer()
        await self._transport.aclose()

    def _finish(self, end: SessionEnded) -> None:
        self._cancel_timer()
        if end.request_id is None:
            end.request_id = self._request_id
        super()._finish(self._explain_end(end))
        self._changed.set()

    # --- the protocol's clock and frames ---

    def _after_protocol(self) -> None:
        self._send_frames()
        if self._protocol.state is ProtocolState.OPEN:
            self._changed.set()
        elif self._protocol.state is ProtocolState.CLOSED:
            self._lose(Closed(by_peer=True))
        self._set_timer()

    def _send_frames(self) -> None:
        for frame in self._protocol.frames_to_send():
            self._transport.write(frame)

    def _set_timer(self) -> None:
        deadline = self._protocol.deadline()
        if self._timer is not None:
            if self._timer.when() == deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None and self._end is None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._tick)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        try:
            self._take(self._protocol.tick(asyncio.get_running_loop().time()))
            self._after_protocol()
        except Exception as error:  # noqa: BLE001 - raised to the reader
            self.fail(error)


def _refused(end: SessionEnded) -> ConnectRefused:
    return ConnectRefused(
        end.message,
        provider=end.provider,
        code=end.code,
        close_code=end.close_code,
        request_id=end.request_id,
        retryable=end.retryable,
        hint=end.hint,
        last_error=end.last_error,
    )
