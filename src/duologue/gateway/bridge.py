"""`bridge`: one client's WebSocket, carried over any realtime client."""

from __future__ import annotations

from collections.abc import Callable, Collection

from starlette.websockets import WebSocket

from duologue.client import RealtimeClient
from duologue.gateway.client_session import BridgeSettings, ClientSession
from duologue.gateway.opening import Upstream
from duologue.gateway.record import SessionRecord
from duologue.gateway.socket import ClientSocket
from duologue.gateway.terms import Terms
from duologue.gateway.wire import ClientWire, asked_dialect
from duologue.lifecycle import new_id
from duologue.options import SessionOptions

_SUBPROTOCOL = "realtime"


async def bridge(
    websocket: WebSocket,
    client: RealtimeClient,
    options: SessionOptions | None = None,
    *,
    client_may: Collection[str] | None = None,
    hide_server_tools: bool = True,
    passthrough: bool = False,
    mcp_servers: Collection[str] = (),
    image_hosts: Collection[str] = (),
    settings: BridgeSettings | None = None,
) -> None:
    """Speak OpenAI's realtime wire with a client, and carry its session over `client`.

    ::

        @app.websocket("/voice")
        async def voice(ws: WebSocket, user=Depends(current_user)):
            await gateway.bridge(ws, client, SessionOptions(instructions=prompt(user), tools=tools(user)),
                                 client_may={"turn_detection", "voice"})

    It accepts the connection unless that was done, and returns when the session is over. The client is greeted with
    ``session.created`` at once; the session with `client` is opened by its first event, or after a second, so that
    what it wants is there from the start. Tools with a function run here: `FunctionInvocation` is put around `client`
    if it has none. Audio is converted between the client's formats and the provider's.

    Args:
        websocket: The client's connection, of Starlette or FastAPI.
        client: Who answers.
        options: What the session is like before the client states anything.
        client_may: The names of the options that it may change; None: all.
        hide_server_tools: Whether calls of tools that run here are kept from the client.
        passthrough: Whether events and fields that are not known go to the provider as they are; else the client gets
            an error.
        mcp_servers: Hosts, or connectors, of MCP servers that it may name; ``"*"`` for any.
        image_hosts: Hosts of pictures that it may name by address; ``"*"`` for any.
        settings: What bounds the session.
    """
    terms = Terms(
        options=options or SessionOptions(),
        client_may=None if client_may is None else frozenset(client_may),
        hide_server_tools=hide_server_tools,
        passthrough=passthrough,
        mcp_servers=frozenset(mcp_servers),
        image_hosts=frozenset(image_hosts),
    )
    model = terms.options.model or client.metadata.model
    record = SessionRecord(new_id("sess"), "", model)
    session = await accepted(websocket, client, terms, record, settings or BridgeSettings())
    await session.run()


async def accepted(
    websocket: WebSocket,
    client: RealtimeClient,
    terms: Terms,
    record: SessionRecord,
    settings: BridgeSettings,
    *,
    kind: str | None = None,
    charge: Callable[[float], bool] = lambda seconds: True,
) -> ClientSession:
    """A session for the client, whose connection is accepted; it is to be run."""
    offered = websocket.scope.get("subprotocols", [])
    socket = ClientSocket(websocket)
    await socket.accept(_SUBPROTOCOL if _SUBPROTOCOL in offered else None)
    wire = ClientWire(asked_dialect(websocket.headers, offered), passthrough=terms.passthrough)
    return ClientSession(socket, Upstream(client, terms), wire, terms, record, settings, kind=kind, charge=charge)
