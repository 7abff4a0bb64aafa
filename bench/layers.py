"""What the runtime costs for each message, and what a layer adds to that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.errors import SessionEnded
from duologue.formats import PCM16_24K
from duologue.inbox import Inbox
from duologue.link import Link, ProviderMetadata, Receiver
from duologue.messages.base import ClientMessage, Meta, ServerMessage, set_meta
from duologue.options import SessionOptions
from duologue.runtime import ProviderLink, SessionLayer
from duologue.session import RealtimeSession

_MESSAGES = 20_000
_REPEATS = 7
_LAYERS = 10
_AUDIO = bytes(PCM16_24K.bytes_for(20))
_FRAME = "x" * 1400


class SilentLink(ProviderLink):
    """A provider without a wire: what is sent goes nowhere."""

    def __init__(self) -> None:
        can = Capabilities(delete=True, output_transcripts="always")
        super().__init__(SessionOptions(), can, ProviderMetadata(provider="silent"))

    def push(self, messages: list[ServerMessage]) -> None:
        self._take(messages)

    def _write(self, message: ClientMessage) -> None:
        pass

    async def _flush(self) -> None:
        pass

    async def _hang_up(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Nowhere:
    """A receiver that lets everything go."""

    def received(self, message: ServerMessage) -> None:
        pass

    def ended(self, end: SessionEnded) -> None:
        pass


class Unwatching(SessionLayer):
    """A layer that is called with nothing."""

    watches = ()


class Watching(SessionLayer):
    """A layer that is called with everything, and passes it on."""


def audio() -> ServerMessage:
    return _arrived(m.OutputAudioDelta(response_id="r1", item_id="i1", audio=_AUDIO, format=PCM16_24K))


def transcript() -> ServerMessage:
    return _arrived(m.OutputTranscriptDelta(response_id="r1", item_id="i1", text="and then "))


def other() -> ServerMessage:
    return _arrived(m.OutputItemAdded(response_id="r1", item=m.MessageItem(id="i1", role="assistant")))


def _arrived(message: ServerMessage) -> ServerMessage:
    set_meta(message, Meta(0, 0, _FRAME))
    return message


def with_layers(kind: type[SessionLayer], count: int, receiver: Receiver) -> tuple[Link, SilentLink]:
    """A chain with so many layers, and its bottom."""
    bottom = SilentLink()
    top: Link = bottom
    for _ in range(count):
        top = kind(top)
    top.connect(receiver)
    bottom.push([m.ResponseCreated(response_id="r1")])
    return top, bottom


async def best_ns(run: Callable[[], Awaitable[float]]) -> float:
    """The fastest of several runs, in ns."""
    return min([await run() for _ in range(_REPEATS)])


async def receive_ns(
    make: Callable[[], ServerMessage], kind: type[SessionLayer] = SessionLayer, count: int = 0
) -> float:
    """From the wire's protocol to the top of the chain."""
    _, bottom = with_layers(kind, count, Nowhere())

    async def run() -> float:
        messages = [[make()] for _ in range(_MESSAGES)]
        start = time.perf_counter_ns()
        for one in messages:
            bottom.push(one)
        return (time.perf_counter_ns() - start) / _MESSAGES

    return await best_ns(run)


async def read_ns(make: Callable[[], ServerMessage]) -> float:
    """Through the inbox and out of a session, without what came before."""

    async def run() -> float:
        session = RealtimeSession(SilentLink(), on_end=lambda session: None)
        inbox: Inbox = session._inbox
        messages = [make() for _ in range(_MESSAGES)]
        start = time.perf_counter_ns()
        for message in messages:
            inbox.received(message)
            await anext(session)
        return (time.perf_counter_ns() - start) / _MESSAGES

    return await best_ns(run)


async def send_ns(make: Callable[[], ClientMessage], kind: type[SessionLayer] = SessionLayer, count: int = 0) -> float:
    """From `Link.send` at the top to the wire's protocol."""
    top, _ = with_layers(kind, count, Nowhere())

    async def run() -> float:
        messages = [make() for _ in range(_MESSAGES)]
        start = time.perf_counter_ns()
        for message in messages:
            await top.send(message)
        return (time.perf_counter_ns() - start) / _MESSAGES

    return await best_ns(run)


async def main() -> None:
    print(f"{'each message, in µs':<44}{'audio':>8}{'transcript':>12}{'other':>8}")
    kinds = (audio, transcript, other)
    received = [await receive_ns(make) / 1000 for make in kinds]
    print(f"{'received: protocol → top of the chain':<44}{received[0]:>8.2f}{received[1]:>12.2f}{received[2]:>8.2f}")
    read = [await read_ns(make) / 1000 for make in kinds]
    print(f"{'read: inbox → application':<44}{read[0]:>8.2f}{read[1]:>12.2f}{read[2]:>8.2f}")
    sent = [
        await send_ns(make) / 1000
        for make in (lambda: m.InputAudioAppend(audio=_AUDIO), lambda: m.ItemDelete(item_id="i1"))
    ]
    print(f"{'sent: top of the chain → protocol':<44}{sent[0]:>8.2f}{'':>12}{sent[1]:>8.2f}")

    print(f"\n{'each message and layer, in ns':<44}{'received':>10}{'sent':>8}")
    bare = await receive_ns(audio), await send_ns(lambda: m.InputAudioAppend(audio=_AUDIO))
    for title, kind in (("that does not watch it", Unwatching), ("that watches it and passes it on", Watching)):
        layered = (
            await receive_ns(audio, kind, _LAYERS),
            await send_ns(lambda: m.InputAudioAppend(audio=_AUDIO), kind, _LAYERS),
        )
        added = [(many - none) / _LAYERS for many, none in zip(layered, bare, strict=True)]
        print(f"{title:<44}{added[0]:>10.0f}{added[1]:>8.0f}")


if __name__ == "__main__":
    asyncio.run(main())
