"""An upstream that costs next to nothing, in the gateway's own process: what is measured is the gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.client import RealtimeClient
from duologue.errors import SessionClosed
from duologue.formats import PCM16_24K
from duologue.link import Link, ProviderMetadata, Receiver
from duologue.options import SessionOptions
from gateway_load.stamps import EVENTS_A_SECOND, STAMP, Latencies

_AUDIO = bytes(PCM16_24K.bytes_for(1_000 / EVENTS_A_SECOND))


class PacedClient(RealtimeClient):
    """Its sessions speak without end, at real pace, and note when the client's audio came.

    Attributes:
        upwards: How late that was, in ns.
    """

    def __init__(self) -> None:
        super().__init__()
        self.upwards = Latencies()

    @property
    def metadata(self) -> ProviderMetadata:
        return ProviderMetadata(provider="paced")

    def capabilities(self, options: SessionOptions | None = None) -> Capabilities:
        return Capabilities(mutable_options=frozenset({"instructions"}), output_modalities=frozenset({"audio"}))

    async def open_session(self, options: SessionOptions) -> Link:
        return _PacedLink(options, self)


class _PacedLink(Link):
    def __init__(self, options: SessionOptions, client: PacedClient) -> None:
        self.metadata = client.metadata
        self._options = options
        self._client = client
        self._task: asyncio.Task[None] | None = None
        self._receiver: Receiver | None = None

    @property
    def options(self) -> SessionOptions:
        return self._options

    @property
    def capabilities(self) -> Capabilities:
        return self._client.capabilities()

    def connect(self, receiver: Receiver) -> None:
        self._receiver = receiver
        receiver.received(m.SessionCreated(session_id="s", options=self._options))
        receiver.received(m.ResponseCreated(response_id="r"))
        self._task = asyncio.create_task(self._speak(receiver))

    async def _speak(self, receiver: Receiver) -> None:
        """Say something when it is due. It is stamped with the time at which it was due: a loop that lags shows."""
        place: dict[str, Any] = {"response_id": "r", "item_id": "i"}
        due = time.monotonic()
        while True:
            due += 1 / EVENTS_A_SECOND
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            receiver.received(m.OutputAudioDelta(**place, audio=_AUDIO, format=PCM16_24K))
            receiver.received(m.OutputTranscriptDelta(**place, text=str(int(due * 1e9))))

    def send(self, message: m.ClientMessage) -> Coroutine[Any, Any, str]:
        if isinstance(message, m.InputAudioAppend):
            (stamp,) = STAMP.unpack_from(message.audio)
            self._client.upwards.add(time.monotonic_ns() - stamp)
        return _accepted()

    async def drain(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def fail(self, error: BaseException) -> None:
        raise error

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._receiver is not None:
            self._receiver.ended(SessionClosed("It was closed."))
            self._receiver = None


async def _accepted() -> str:
    return "accepted"
