"""What all clients over a WebSocket share: connecting, and joining protocol and transport."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar
from typing import Protocol as Interface

from msgspec.structs import replace

from duologue.capabilities import check_options
from duologue.errors import ConnectRefused, InvalidInput
from duologue.link import Link, ProviderMetadata
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import SessionOptions
from duologue.protocols import Protocol
from duologue.providers.connection import ConnectionSettings
from duologue.providers.masking import secrets_of
from duologue.providers.refusals import Advice, Explainer, masked_detail
from duologue.providers.retrying import with_retries
from duologue.providers.urls import Address
from duologue.runtime.protocol_link import ProtocolLink
from duologue.runtime.provider_client import ProviderClient
from duologue.secret import Secret
from duologue.transports.connection import WebSocketTransport
from duologue.transports.handshake import ConnectFailed

Headers = dict[str, str | Secret]
ClientProtocol = Protocol[ClientMessage, ServerMessage]


class SomeDialect(Interface):
    """How a provider's servers say things."""

    @property
    def provider(self) -> str:
        """The provider's name, for errors and telemetry."""
        ...


D = TypeVar("D", bound=SomeDialect)


class WebSocketRealtimeClient(ProviderClient, Generic[D]):
    """A client of a server that is reached over a WebSocket.

    Subclasses say where the server is, what it wants to know of the caller, and how it says things: `address`, `url`,
    `credentials`, `new_protocol`, `capabilities`.

    Args:
        dialect: How the server says things, and whose it is.
        model: The model, unless a session's options name another.
        advice: What to do about the provider's refusals.
        defaults: Options that hold for every session unless it states others.
        connection: How to connect.
    """

    def __init__(
        self,
        dialect: D,
        *,
        model: str | None,
        advice: Advice,
        defaults: SessionOptions | None = None,
        connection: ConnectionSettings | None = None,
    ) -> None:
        super().__init__(defaults=defaults)
        self._dialect = dialect
        self._model = model
        self._connection = connection or ConnectionSettings()
        self._explainer = Explainer(dialect.provider, advice)
        self._opening: dict[asyncio.Timeout, asyncio.Event] = {}

    # --- for subclasses ---

    @abstractmethod
    def address(self) -> Address:
        """Where the provider is.

        Raises:
            InvalidInput: What the application or the environment says is no address.
        """

    @abstractmethod
    def url(self, options: SessionOptions) -> str:
        """The URL for a session with these options, without any secret.

        Raises:
            InvalidInput: The options contradict each other, or lack something.
        """

    @abstractmethod
    async def credentials(self) -> Headers:
        """The headers that say who is calling; made anew for every connection.

        Raises:
            MissingKey: There is no key.
        """

    @abstractmethod
    def new_protocol(self, options: SessionOptions) -> ClientProtocol:
        """The wire of a session with these options. The credentials have been made by then."""

    def account(self) -> Headers:
        """The headers that go with any credentials, such as the one that names a project."""
        return {}

    def endpoint(self, url: str, headers: Headers) -> str:
        """The URL for a connection with these headers: `url`, unless the way of logging in has a say in it."""
        return url

    def completed(self, options: SessionOptions) -> SessionOptions:
        """The options with what they leave to the client, such as the model."""
        return replace(options, model=self.chosen_model(options))

    # --- what it is ---

    def __repr__(self) -> str:
        who = self.metadata
        return f"{type(self).__name__}(provider={who.provider!r}, model={who.model!r}, endpoint={who.endpoint!r})"

    @property
    def metadata(self) -> ProviderMetadata:
        try:
            endpoint = str(self.address())
        except InvalidInput:  # opening a session says so
            endpoint = None
        return ProviderMetadata(provider=self._dialect.provider, model=self._model, endpoint=endpoint)

    def chosen_model(self, options: SessionOptions) -> str | None:
        """The model for a session with these options."""
        return options.model or self._model

    # --- opening ---

    async def open_link(self, options: SessionOptions, dropped: tuple[str, ...]) -> Link:
        url = self.url(options)
        options = self.completed(options)

        async def attempt() -> Link:
            self._check_open()
            return await self._attempt(url, options, dropped)

        # Closing the client cancels what is being opened, as a timeout would: without a task of its own.
        until_closed, over = asyncio.timeout(None), asyncio.Event()
        self._opening[until_closed] = over
        try:
            async with until_closed:
                return await with_retries(attempt, self._connection)
        except TimeoutError:
            if until_closed.expired():
                self._check_open()
            raise
        finally:
            del self._opening[until_closed]
            over.set()

    async def aclose(self) -> None:
        """End the sessions, those that are just opening too."""
        self._closed = True
        opening = dict(self._opening)
        for until_closed in opening:
            if not until_closed.expired():
                until_closed.reschedule(0)
        try:
            for over in opening.values():
                await over.wait()
        finally:
            await super().aclose()

    def checked(self, options: SessionOptions | None) -> SessionOptions:
        """`options` over the client's defaults, as a session would have them.

        Raises:
            UnsupportedOperation: The provider cannot do what they ask for.
            InvalidInput: They contradict each other.
        """
        merged = self.with_defaults(options)
        carried, _ = check_options(merged, self.capabilities(merged), self._dialect.provider)
        return self.completed(carried)

    async def post(self, path: str, body: Mapping[str, Any]) -> str:
        """Send JSON to the provider over HTTP; what it answers.

        Raises:
            ConnectRefused: It refused, or was not there.
            InvalidInput: This client is closed.
            MissingDependency: httpx2 is not installed.
        """
        from duologue.providers.http import post_json

        self._check_open()
        url = self.address().http(path)

        async def attempt() -> str:
            headers, secrets = await self._headers()
            try:
                answer = await post_json(url, headers, body, self._connection)
            except ConnectFailed as failure:
                raise self._explainer.failed(failure, secrets) from failure
            if answer.status // 100 != 2:
                raise self._explainer.answered(answer, secrets)
            return answer.body

        return await with_retries(attempt, self._connection)

    async def _headers(self) -> tuple[Headers, list[Secret]]:
        """What is sent with every request, and what of it must not show."""
        settings = self._connection
        login = {} if settings.brings_login else await self._login_in_time()
        headers = settings.headers_over({**self.account(), **login})
        return headers, secrets_of(headers, settings.subprotocols)

    async def _login_in_time(self) -> Headers:
        seconds = self._connection.connect_timeout
        try:
            async with asyncio.timeout(seconds):
                return await self.credentials()
        except TimeoutError:
            raise ConnectRefused(
                f"No key within {seconds:g} s.",
                provider=self._dialect.provider,
                retryable=True,
                hint="See what holds up the function that fetches it; nothing was sent.",
            ) from None

    async def _attempt(self, url: str, options: SessionOptions, dropped: tuple[str, ...]) -> Link:
        headers, secrets = await self._headers()
        protocol = self.new_protocol(options)
        protocol.open(options)  # what cannot be written shows before anything is connected
        try:
            transport = await self._connect(self.endpoint(url, headers), headers)
        except ConnectFailed as failure:
            raise self._explainer.failed(failure, secrets) from failure
        link = ProtocolLink(
            protocol,
            transport,
            options,
            self.capabilities(options),
            replace(self.metadata, model=options.model),
            dropped,
            open_timeout=self._connection.open_timeout,
            send_timeout=self._connection.send_timeout,
            request_id=transport.request_id,
            explain_end=lambda end: self._explainer.ended(end, secrets),
        )
        link.mask_errors(lambda error: masked_detail(error, secrets))
        try:
            await link.open()
        except ConnectRefused as refused:
            raise self._explainer.refused_in_band(refused, secrets) from None
        return link

    async def _connect(self, url: str, headers: Mapping[str, str | Secret]) -> WebSocketTransport:
        settings = self._connection
        return await _connector(settings.transport)(
            url,
            headers=headers,
            subprotocols=settings.subprotocols,
            ssl_context=settings.ssl_context,
            proxy=settings.proxy,
            connect_timeout=settings.connect_timeout,
            limits=settings.limits,
        )


def _connector(transport: str) -> Callable[..., Awaitable[WebSocketTransport]]:
    if transport == "websockets":
        from duologue.transports import websockets_transport

        return websockets_transport.connect_websocket
    from duologue.transports import websocket

    return websocket.connect_websocket
