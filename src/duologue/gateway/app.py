"""The gateway as an ASGI application."""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from duologue.client import RealtimeClient
from duologue.gateway.admission import Admission, Admitted
from duologue.gateway.answers import deny, error_response
from duologue.gateway.bridge import accepted
from duologue.gateway.client_secrets import ClientSecrets
from duologue.gateway.client_session import BridgeSettings
from duologue.gateway.grants import Authorize, Refused, anybody
from duologue.gateway.limits import Ledger, LimitReached
from duologue.gateway.minting import mint
from duologue.gateway.models import Model, Models
from duologue.gateway.record import SessionRecord
from duologue.gateway.registry import SessionRegistry
from duologue.gateway.terms import Terms
from duologue.lifecycle import new_id

_PREFIXES = ("/v1", "/openai/v1")


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for everybody.

    Attributes:
        sessions: What bounds every session.
        most_sessions: Sessions at once, of all together; None: no limit.
        allowed_origins: Origins of web pages that may connect, beside the server's own; ``"*"`` for any.
        allowed_hosts: The names of this server that browsers may know it by; None: any.
        hide_server_tools: As for `bridge`.
        passthrough: As for `bridge`.
        mcp_servers: As for `bridge`.
        image_hosts: As for `bridge`.
    """

    sessions: BridgeSettings = BridgeSettings()
    most_sessions: int | None = None
    allowed_origins: frozenset[str] = frozenset()
    allowed_hosts: frozenset[str] | None = None
    hide_server_tools: bool = True
    passthrough: bool = False
    mcp_servers: frozenset[str] = frozenset()
    image_hosts: frozenset[str] = frozenset()


class Gateway:
    """What an app knows: its models, its sessions, its ephemeral keys.

    Args:
        models: The models that it offers.
        authorize: Who may do what.
        settings: What holds for everybody.

    Attributes:
        sessions: The sessions that are open.
    """

    def __init__(self, models: Models, authorize: Authorize, settings: GatewaySettings) -> None:
        self.sessions = SessionRegistry()
        self._models = models
        self._settings = settings
        self._secrets = ClientSecrets(time.time)
        self._ledger = Ledger(settings.most_sessions)
        self._admission = Admission(models, authorize, self._secrets, settings.allowed_origins, settings.allowed_hosts)

    async def drain(self, seconds: float) -> int:
        """Take no new sessions, let each that is open end its turn, and end all of them after `seconds`.

        Returns:
            How many had to be cut short.
        """
        return await self.sessions.drain(seconds)

    # --- sessions ---

    async def connect(self, websocket: WebSocket) -> None:
        """Carry a client's session."""
        try:
            self._check_ready()
            admitted = await self._admission.admit(websocket)
            who = admitted.grant.who
            self._ledger.open(who, admitted.grant.limits, time.monotonic())
        except Refused as refused:
            await deny(websocket, refused)
            return
        except LimitReached as reached:
            await deny(websocket, Refused(str(reached), 429, reached.code, reached.retry_after))
            return
        try:
            await self._carry(websocket, admitted)
        finally:
            self._ledger.close(who)

    async def _carry(self, websocket: WebSocket, admitted: Admitted) -> None:
        grant, model = admitted.grant, admitted.model
        session = await accepted(
            websocket,
            model.client,
            self._terms(admitted),
            SessionRecord(new_id("sess"), grant.who, admitted.name),
            self._settings.sessions,
            kind=admitted.kind,
            charge=lambda seconds: self._ledger.charge(grant.who, seconds, time.monotonic()),
        )
        with self.sessions.holding(session):
            await session.run()

    def _terms(self, admitted: Admitted) -> Terms:
        settings = self._settings
        return Terms(
            options=admitted.model.options.merged(admitted.grant.options),
            client_may=admitted.grant.client_may,
            hide_server_tools=settings.hide_server_tools,
            passthrough=settings.passthrough,
            mcp_servers=settings.mcp_servers,
            image_hosts=settings.image_hosts,
            ignores=admitted.model.ignores,
        )

    def _check_ready(self) -> None:
        if self.sessions.is_draining:
            raise Refused("This server is going away.", 503, "going_away", 5.0)

    # --- requests ---

    async def make_secret(self, request: Request) -> Response:
        """``POST /v1/realtime/client_secrets``"""
        try:
            self._check_ready()
            grant = await self._admission.grant(request)
            return JSONResponse(await mint(request, grant, self._models, self._terms, self._secrets))
        except Refused as refused:
            return error_response(refused)

    async def list_models(self, request: Request) -> Response:
        """``GET /v1/models``"""
        try:
            grant = await self._admission.grant(request)
        except Refused as refused:
            return error_response(refused)
        listed = [
            {"id": name, "object": "model", "created": 0, "owned_by": "duologue"} for name in self._models.names(grant)
        ]
        return JSONResponse({"object": "list", "data": listed})

    async def is_healthy(self, request: Request) -> Response:
        """``GET /healthz``: the process is alive."""
        return JSONResponse({"status": "ok", "sessions": len(self.sessions)})

    async def is_ready(self, request: Request) -> Response:
        """``GET /readyz``: it takes new sessions."""
        draining = self.sessions.is_draining
        return JSONResponse({"status": "draining" if draining else "ready"}, 503 if draining else 200)


def create_app(
    models: RealtimeClient | Mapping[str, RealtimeClient | Model],
    *,
    authorize: Authorize = anybody,
    default: Model | None = None,
    settings: GatewaySettings | None = None,
) -> Starlette:
    """An ASGI application that answers clients of OpenAI's realtime API.

    WebSockets at ``/v1/realtime`` and ``/openai/v1/realtime`` (with ``?intent=transcription`` for transcripts only),
    ``POST /v1/realtime/client_secrets``, ``GET /v1/models``, ``GET /healthz`` and ``GET /readyz``. The clients stay the
    caller's, who closes them. Before the server stops, ``await app.state.gateway.drain(seconds)`` ends its sessions in
    an orderly way.

    Args:
        models: Who answers, by the names of models; a single client answers whatever model is asked for.
        authorize: Decides who may do what: gets the connection's or the request's scope, and gives a `Grant` or raises
            `Refused`. The default lets everybody in, so it is for loopback.
        default: What a client gets that asks for a model of no such name; None: it is refused.
        settings: What holds for everybody.
    """
    if isinstance(models, RealtimeClient):
        default, models = Model(client=models), {}
    named = {name: model if isinstance(model, Model) else Model(client=model) for name, model in models.items()}
    gateway = Gateway(Models(named, default), authorize, settings or GatewaySettings())
    routes: list[BaseRoute] = [Route("/healthz", gateway.is_healthy), Route("/readyz", gateway.is_ready)]
    for prefix in _PREFIXES:
        routes += [
            WebSocketRoute(f"{prefix}/realtime", gateway.connect),
            Route(f"{prefix}/realtime/client_secrets", gateway.make_secret, methods=["POST"]),
            Route(f"{prefix}/models", gateway.list_models),
        ]
    app = Starlette(routes=routes)
    app.state.gateway = gateway
    return app
