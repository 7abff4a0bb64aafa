"""A provider whose wire is the test: what it sends and when, what it takes and how fast."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from duologue import messages as m
from duologue.capabilities import ALL_OPTIONS, Capabilities
from duologue.errors import CutOff, SessionClosed, SessionEnded
from duologue.formats import PCM16_24K, AudioFormat
from duologue.link import Link, ProviderMetadata
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import SessionOptions
from duologue.runtime import ProviderClient, ProviderLink

Sent = TypeVar("Sent", bound=ClientMessage)

EVERYTHING = Capabilities(
    mutable_options=ALL_OPTIONS,
    session_kinds=frozenset({"conversation", "transcription"}),
    turn_detections=frozenset({"server", "semantic", "off"}),
    input_formats=None,
    output_formats=None,
    output_modalities=frozenset({"audio", "text"}),
    images=True,
    video=True,
    manual_turns=True,
    input_clear=True,
    explicit_response=True,
    out_of_band=True,
    response_options=frozenset(m.ResponseCreate.__struct_fields__),
    cancel=True,
    truncate=True,
    delete=True,
    retrieve=True,
    insert_position=True,
    tool_choices=frozenset({"auto", "none", "required", "function", "mcp"}),
    hosted_mcp=True,
    input_transcripts="on request",
    output_transcripts="always",
    metadata=True,
    seeding=True,
    say="exact",
    resumption=True,
)


class WireLink(ProviderLink):
    """A session without a wire.

    Attributes:
        written: What has reached the wire, in order.
        refuses: What the wire cannot say, and what it raises then.
        room: Cleared, to have senders wait.
        is_paused: Whether reading is paused.
        hang_ups: How often it was hung up.
    """

    def __init__(
        self,
        options: SessionOptions | None = None,
        capabilities: Capabilities = EVERYTHING,
        dropped: tuple[str, ...] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(
            options or SessionOptions(), capabilities, ProviderMetadata(provider="wire"), dropped, clock=clock
        )
        self.written: list[ClientMessage] = []
        self.refuses: dict[type[ClientMessage], Exception] = {}
        self.room = asyncio.Event()
        self.room.set()
        self.is_paused = False
        self.hang_ups = 0

    def push(self, *messages: ServerMessage) -> None:
        """The provider sends these."""
        self._take(messages)

    def cut(self, end: SessionEnded | None = None) -> None:
        """The session is over, and not because our side asked."""
        self._finish(end or CutOff("The wire broke.", provider="wire"))

    def written_of(self, kind: type[Sent]) -> list[Sent]:
        """What of that kind has reached the wire."""
        return [message for message in self.written if isinstance(message, kind)]

    def _write(self, message: ClientMessage) -> None:
        if type(message) in self.refuses:
            raise self.refuses[type(message)]
        self.written.append(message)

    async def _flush(self) -> None:
        await self.room.wait()
        if self._end is not None and not isinstance(self._end, SessionClosed):
            raise self._end.with_traceback(None)

    async def _hang_up(self) -> None:
        self.hang_ups += 1

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


class WireClient(ProviderClient):
    """Makes `WireLink`s, which are in `links`; each begins with `SessionCreated`."""

    def __init__(
        self,
        capabilities: Capabilities = EVERYTHING,
        *,
        clock: Callable[[], float] = time.monotonic,
        defaults: SessionOptions | None = None,
    ) -> None:
        super().__init__(defaults=defaults)
        self.links: list[WireLink] = []
        self.opening = asyncio.Event()
        self.opening.set()
        self._capabilities = capabilities
        self._clock = clock

    @property
    def metadata(self) -> ProviderMetadata:
        return ProviderMetadata(provider="wire")

    @property
    def link(self) -> WireLink:
        """The newest session's."""
        return self.links[-1]

    def capabilities(self, options: SessionOptions | None = None) -> Capabilities:
        return self._capabilities

    async def open_link(self, options: SessionOptions, dropped: tuple[str, ...]) -> Link:
        link = WireLink(options, self._capabilities, dropped, clock=self._clock)
        self.links.append(link)
        await self.opening.wait()
        link.push(m.SessionCreated(options=options))
        return link


def audio(
    ms: float = 20, *, response: str = "r1", item: str = "i1", format: AudioFormat | None = None
) -> m.OutputAudioDelta:
    """So much of a response's audio."""
    format = format or PCM16_24K
    return m.OutputAudioDelta(response_id=response, item_id=item, audio=bytes(format.bytes_for(ms)), format=format)
