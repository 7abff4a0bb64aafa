"""What the clients of Gemini Live share, whichever of Google's services they talk to."""

from __future__ import annotations

import re

from msgspec.structs import replace

from duologue.capabilities import Capabilities
from duologue.errors import InvalidInput
from duologue.options import SessionOptions
from duologue.protocols.gemini import GeminiClientProtocol, GeminiDialect, gemini_capabilities
from duologue.providers.connection import ConnectionSettings
from duologue.providers.gemini_assumptions import GeminiAssumptions
from duologue.providers.gemini_options import own_options
from duologue.providers.refusals import Advice
from duologue.providers.websocket_client import ClientProtocol, WebSocketRealtimeClient

_EXAMPLE_MODEL = "gemini-3.8-live"
_API_VERSION = re.compile(r"v\d[a-z0-9]*")


class GeminiFamilyClient(WebSocketRealtimeClient[GeminiDialect]):
    """A client of Gemini Live.

    Args:
        dialect: Which service it is.
        model: The model, unless a session's options name another.
        advice: What to do about the service's refusals.
        api_version: The version of the API that the application asks for.
        assume: What to take for granted of the service, in place of what is by default.
        defaults: Options that hold for every session unless it states others.
        connection: How to connect.

    Raises:
        InvalidInput: `api_version` is none.
    """

    def __init__(
        self,
        dialect: GeminiDialect,
        *,
        model: str | None,
        advice: Advice,
        api_version: str | None = None,
        assume: GeminiAssumptions | None = None,
        defaults: SessionOptions | None = None,
        connection: ConnectionSettings | None = None,
    ) -> None:
        super().__init__(dialect, model=model, advice=advice, defaults=defaults, connection=connection)
        if api_version is not None and not _API_VERSION.fullmatch(api_version):
            raise InvalidInput(f'api_version is such as "v1beta", not {api_version!r}.')
        self._api_version = api_version
        self._assume = assume or GeminiAssumptions()

    def dialect_for(self, options: SessionOptions) -> GeminiDialect:
        """The service, with the model of a session with these options."""
        return self._assume.laid_over(self._dialect.for_model(self.chosen_model(options)))

    def capabilities(self, options: SessionOptions | None = None) -> Capabilities:
        options = self.with_defaults(options)
        dialect = self.dialect_for(options)
        can = gemini_capabilities(dialect, options)
        return replace(can, options=can.options | own_options(dialect))

    def new_protocol(self, options: SessionOptions) -> ClientProtocol:
        return GeminiClientProtocol(self.dialect_for(options))

    def needed_model(self, options: SessionOptions) -> str:
        """The model of a session.

        Raises:
            InvalidInput: There is none, or it is no name.
        """
        model = self.chosen_model(options)
        if not model:
            raise InvalidInput(f'A session needs a model: {type(self).__name__}("{_EXAMPLE_MODEL}").')
        if ".." in model or not model.isprintable() or set(model) & set(" ?&#"):
            raise InvalidInput(f"{model!r} is no name of a model.")
        return model
