"""What all clients of OpenAI's wire share, whoever's server speaks it."""

from __future__ import annotations

import time

from duologue.capabilities import Capabilities
from duologue.options import SessionOptions
from duologue.protocols.openai import Dialect, OpenAIClientProtocol
from duologue.protocols.openai.session_kinds import transcription_capabilities, transcription_options
from duologue.providers.websocket_client import ClientProtocol, WebSocketRealtimeClient


class OpenAIWireClient(WebSocketRealtimeClient[Dialect]):
    """A client of a server that speaks OpenAI's realtime wire."""

    def conversation_capabilities(self, options: SessionOptions) -> Capabilities:
        """What a conversation with these options can do."""
        return self._dialect.capabilities

    def capabilities(self, options: SessionOptions | None = None) -> Capabilities:
        options = self.with_defaults(options)
        can = self.conversation_capabilities(options)
        return transcription_capabilities(can) if is_transcription(options, can) else can

    def new_protocol(self, options: SessionOptions) -> ClientProtocol:
        return OpenAIClientProtocol(
            self._dialect,
            started_at=time.time(),
            awaits_greeting=not self._dialect.confirms_options,  # saves a round trip
        )

    def completed(self, options: SessionOptions) -> SessionOptions:
        if is_transcription(options, self.conversation_capabilities(options)):
            return transcription_options(options)
        return super().completed(options)


def is_transcription(options: SessionOptions, can: Capabilities) -> bool:
    """Whether it is a transcription session beside the conversations that the provider has."""
    return options.kind == "transcription" and {"transcription", "conversation"} <= can.session_kinds
