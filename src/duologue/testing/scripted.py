"""A provider that follows a script, for tests of applications: no network, no model, no waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, cast

from duologue import messages as m
from duologue.capabilities import ALL_OPTIONS, Capabilities
from duologue.errors import InvalidInput, SessionEnded
from duologue.link import Link, ProviderMetadata
from duologue.messages.base import ClientMessage
from duologue.options import SessionOptions
from duologue.runtime import ProviderClient
from duologue.testing.replies import ScriptedReply
from duologue.testing.scripted_link import Answer, ScriptedLink, Sent

SCRIPTED_CAPABILITIES = Capabilities(
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
    speech_events=True,
    metadata=True,
    seeding=True,
    say="exact",
)
"""A provider that can do everything that the application has to ask for."""


class ScriptedClient(ProviderClient):
    """A client for tests of applications: the test says what the provider answers, and reads what was sent.

    ::

        client = ScriptedClient([ScriptedReply.call("get_weather", {"city": "Oslo"}), "It rains."])
        async with client.with_middleware(FunctionInvocation()).create_session(options) as session:
            ...
        assert client.link.sent_of(m.ResponseCreate)

    Every session plays the script from its beginning, one reply for each response that is asked for. When none is left,
    `AssertionError` is raised: to whoever asked, or to the reader if the request had to wait. Other messages are
    answered as providers do (an item is added, an update is confirmed), unless `on` says otherwise.

    Args:
        script: The replies; a str stands for `ScriptedReply.text`.
        capabilities: What the provider can do; everything by default.
        provider: Its name.
        refusal: Raised by `create_session` in place of a session.
        clock: Seconds of a monotonic clock, by which unreported playback is reckoned.
        defaults: As in `RealtimeClient`.

    Attributes:
        links: The provider's side of all sessions, the oldest first.
    """

    def __init__(
        self,
        script: Iterable[ScriptedReply | str] = (),
        *,
        capabilities: Capabilities = SCRIPTED_CAPABILITIES,
        provider: str = "scripted",
        refusal: SessionEnded | None = None,
        clock: Callable[[], float] = time.monotonic,
        defaults: SessionOptions | None = None,
    ) -> None:
        super().__init__(defaults=defaults)
        self.links: list[ScriptedLink] = []
        self._script = [ScriptedReply.text(reply) if isinstance(reply, str) else reply for reply in script]
        self._capabilities = capabilities
        self._metadata = ProviderMetadata(provider=provider, model="script")
        self._refusal = refusal
        self._clock = clock
        self._answers: dict[type[ClientMessage], Callable[[Any], Answer]] = {}

    @property
    def metadata(self) -> ProviderMetadata:
        return self._metadata

    @property
    def link(self) -> ScriptedLink:
        """The provider's side of the newest session."""
        if not self.links:
            raise InvalidInput("No session has been opened with this client yet.")
        return self.links[-1]

    def capabilities(self, options: SessionOptions | None = None) -> Capabilities:
        return self._capabilities

    def on(self, kind: type[Sent], answer: Callable[[Sent], Answer]) -> None:
        """Answer messages of `kind` in another way, in all sessions.

        Args:
            kind: The class of the message.
            answer: Gives what the provider sends: messages, or a reply; None for its usual answer. What it raises is
                raised to the sender, and the message counts as not sent.
        """
        self._answers[kind] = cast("Callable[[Any], Answer]", answer)

    async def open_link(self, options: SessionOptions, dropped: tuple[str, ...]) -> Link:
        if self._refusal is not None:
            raise self._refusal.with_traceback(None)
        link = ScriptedLink(
            options, self._capabilities, self._metadata, dropped, self._script, self._answers, self._clock
        )
        self.links.append(link)
        link.open()
        return link
