"""The opening of the upstream's session, from what the client asked for first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from msgspec.structs import replace

from duologue.client import RealtimeClient
from duologue.errors import InvalidInput, UnsupportedOperation
from duologue.formats import PCM16_24K
from duologue.gateway.adaptation import adapted
from duologue.gateway.terms import Terms
from duologue.link import Link
from duologue.middleware import AudioConversion, FunctionInvocation
from duologue.options import OFF, ServerTurnDetection, SessionOptions, Transcription

_DEFAULTS = SessionOptions(
    kind="conversation",
    input_audio=PCM16_24K,
    output_audio=PCM16_24K,
    output_modalities=("audio",),
    turn_detection=ServerTurnDetection(),
    transcription=OFF,
)
"""What a session of OpenAI's API is like before anything is stated."""

Misfit = (UnsupportedOperation, InvalidInput)
"""What is raised where options do not suit the upstream."""


def first_options(terms: Terms, kind: str | None, model: str | None) -> SessionOptions:
    """What the client is told of its session before there is one."""
    defaults = _DEFAULTS
    if kind == "transcription":
        defaults = replace(defaults, output_audio=None, output_modalities=None, transcription=Transcription())
    return defaults.merged(terms.options).merged(SessionOptions(kind=kind, model=model))


class Upstream:
    """Opens sessions of one client on given terms.

    Args:
        client: Who answers.
        terms: What the session is like.
    """

    def __init__(self, client: RealtimeClient, terms: Terms) -> None:
        if terms.server_tools and client.get_service(FunctionInvocation) is None:
            client = client.with_middleware(FunctionInvocation())
        self._client = client.with_middleware(AudioConversion())
        self._terms = terms
        self.dropped: tuple[str, ...] = ()

    @property
    def provider(self) -> str:
        """Who answers."""
        return self._client.metadata.provider

    async def open(self, options: SessionOptions) -> Link:
        """Open a session with what the client stated so far, and what it did not.

        Raises:
            UnsupportedOperation: The upstream cannot do what is asked.
            InvalidInput: It does not make sense.
            ConnectRefused: The session did not begin.
        """
        options = self._client.with_defaults(replace(options, model=self._terms.options.model))
        taken, self.dropped = adapted(options, self._client.capabilities(options), self.provider, self._terms.ignores)
        return await self._client.open_session(replace(taken, unsupported="drop"))


async def open_while(open_it: Awaitable[Link], listening: asyncio.Task[object]) -> Link:
    """What `open_it` opens, unless `listening` raises before that. Whatever ends it leaves nothing behind.

    Args:
        open_it: Opens the session.
        listening: Waits for the client's next frame, which may be its end.
    """
    opening = asyncio.ensure_future(open_it)
    try:
        await asyncio.wait({opening, listening}, return_when=asyncio.FIRST_COMPLETED)
        if not opening.done() and listening.exception() is not None:
            listening.result()
        return await opening
    except BaseException:
        opening.cancel()
        await asyncio.wait({opening})
        if not opening.cancelled() and opening.exception() is None:
            await opening.result().aclose()
        raise
