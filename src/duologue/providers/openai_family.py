"""What OpenAI and Azure OpenAI have in common: kinds of sessions, calls to join, client secrets."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from duologue.capabilities import Capabilities
from duologue.errors import InvalidInput
from duologue.options import SessionOptions
from duologue.providers.client_secrets import ClientSecret, lifetime, read_client_secret, secret_session
from duologue.providers.openai_options import OpenAISessionOptions
from duologue.providers.openai_wire import OpenAIWireClient
from duologue.providers.urls import with_ending

_EXAMPLE_MODEL = "gpt-realtime-2.1"
_OWN_OPTIONS = frozenset({"call_id", "tracing", "truncation"})


class OpenAIFamilyClient(OpenAIWireClient):
    """A client of OpenAI's realtime API, whoever hosts it."""

    def conversation_capabilities(self, options: SessionOptions) -> Capabilities:
        return _with_own(self._dialect.capabilities, call_id_of(options) is not None)

    def chosen_model(self, options: SessionOptions) -> str | None:
        return None if call_id_of(options) is not None else super().chosen_model(options)

    def query(self, options: SessionOptions) -> Mapping[str, str | None]:
        """What the URL says of the session.

        Raises:
            InvalidInput: The options contradict each other, or there is no model.
        """
        if options.kind == "transcription":
            return {"intent": "transcription"}
        call_id = call_id_of(options)
        if call_id is not None:
            if options.model is not None:
                raise InvalidInput("A call has its model already: leave model or call_id out of the options.")
            return {"call_id": call_id}
        return {"model": self.needed_model(options)}

    def needed_model(self, options: SessionOptions) -> str:
        """The model of a conversation.

        Raises:
            InvalidInput: There is none.
        """
        model = self.chosen_model(options)
        if not model:
            raise InvalidInput(f'A conversation needs a model: {type(self).__name__}(model="{_EXAMPLE_MODEL}").')
        return model

    def realtime_path(self) -> str:
        """The path of the realtime API."""
        return with_ending(self.address().path, "/realtime", "/v1/realtime")

    def url(self, options: SessionOptions) -> str:
        return self.address().websocket(self.realtime_path(), self.query(options))

    async def create_client_secret(
        self, options: SessionOptions | None = None, *, expires_after: float = 600
    ) -> ClientSecret:
        """Make a key that is good for a few minutes and for such sessions, to hand to a browser or a device.

        Needs the extra ``http``.

        Args:
            options: What the sessions shall be like, over the client's defaults.
            expires_after: How long it can be used to open sessions, 10 to 7200 s.

        Raises:
            UnsupportedOperation: The provider cannot do what the options ask for.
            InvalidInput: The options do not fit, or the time is out of bounds.
            ConnectRefused: The provider refused, or was not there.
            MissingDependency: httpx2 is not installed.
        """
        seconds = lifetime(expires_after)
        options = self.checked(options)
        if call_id_of(options) is not None:
            raise InvalidInput("A client secret opens new sessions: leave call_id out.")
        session = secret_session(options, self._dialect)
        if options.kind != "transcription":
            session.setdefault("model", self.needed_model(options))
        body: dict[str, Any] = {"expires_after": {"anchor": "created_at", "seconds": seconds}, "session": session}
        answer = await self.post(f"{self.realtime_path()}/client_secrets", body)
        return read_client_secret(answer, self.metadata.provider)


@functools.cache
def _with_own(can: Capabilities, in_call: bool) -> Capabilities:
    return replace(
        can,
        options=can.options | _OWN_OPTIONS,
        mutable_options=can.mutable_options | {"tracing", "truncation"},
        tracks_playback=in_call,
    )


def call_id_of(options: SessionOptions) -> str | None:
    """The call that the session is to join."""
    return options.call_id if isinstance(options, OpenAISessionOptions) else None
