"""The socket below both WebSocket transports: which of a name's addresses it leads to."""

from __future__ import annotations

import asyncio
import errno
import gc
import socket
from collections.abc import Callable
from typing import Any

import pytest

from duologue.transports import dialer, websocket, websockets_transport
from duologue.transports.dialer import Dialer
from websocket_receiver import Connect
from websocket_servers import echo_server

PORT = 443
UNSUPPORTED = 12_345  # no family that any machine has


class Network:
    """Resolves every name to `found`; addresses connect as `behaviours` say, else not at all."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
        loop = asyncio.get_running_loop()
        self.found = [self.entry(host) for host in hosts]
        self.tried: list[str] = []
        self.sockets: list[socket.socket] = []
        self.behaviours: dict[str, Callable[[], Any]] = {}
        self.changed = asyncio.Condition()
        self._connect = loop.sock_connect
        monkeypatch.setattr(loop, "getaddrinfo", self.resolve)
        monkeypatch.setattr(loop, "sock_connect", self.connect)

    @staticmethod
    def entry(host: str, family: int | None = None, port: int = PORT) -> tuple[Any, ...]:
        family = family or (socket.AF_INET6 if ":" in host else socket.AF_INET)
        return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)

    async def resolve(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        return self.found

    async def connect(self, candidate: socket.socket, address: tuple[str, int]) -> None:
        self.sockets.append(candidate)
        async with self.changed:
            self.tried.append(address[0])
            self.changed.notify_all()
        if address[0] in self.behaviours:
            await self.behaviours[address[0]]()
        elif address[1] != PORT:
            await self._connect(candidate, address)
        else:
            await asyncio.Event().wait()

    async def all_tried(self) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.tried) == len(self.found))

    @property
    def open(self) -> list[socket.socket]:
        return [candidate for candidate in self.sockets if candidate.fileno() != -1]


async def answers() -> None:
    await asyncio.sleep(0)


async def refuses() -> None:
    raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialer, "_HEAD_START", 0.001)


@pytest.fixture
def endless_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialer, "_HEAD_START", 3600.0)


def others() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


def test_the_head_start() -> None:
    assert dialer._HEAD_START == 0.25


@pytest.mark.usefixtures("no_patience")
async def test_that_a_silent_address_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch, "10.0.0.1", "10.0.0.2", "10.0.0.3")
    network.behaviours["10.0.0.2"] = answers
    async with asyncio.timeout(5):
        connected = await Dialer().dial("name", PORT)
    assert network.open == [connected]
    assert network.sockets[1] is connected
    assert not others()
    connected.close()


@pytest.mark.usefixtures("endless_patience")
async def test_that_a_refusal_starts_the_next_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch, "10.0.0.1", "10.0.0.2", "10.0.0.3")
    network.behaviours.update({"10.0.0.1": refuses, "10.0.0.2": answers})
    async with asyncio.timeout(5):
        connected = await Dialer().dial("name", PORT)
    assert network.tried == ["10.0.0.1", "10.0.0.2"]
    assert network.open == [connected]
    connected.close()


@pytest.mark.usefixtures("endless_patience")
async def test_a_family_that_the_machine_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch, "10.0.0.1")
    network.found.insert(0, network.entry("lacking", UNSUPPORTED))
    network.behaviours["10.0.0.1"] = answers
    async with asyncio.timeout(5):
        connected = await Dialer().dial("name", PORT)
    assert network.tried == ["10.0.0.1"]
    connected.close()


async def test_that_the_families_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch, "::1", "::2", "::3", "10.0.0.1", "10.0.0.2")
    network.behaviours = dict.fromkeys(("::1", "::2", "::3", "10.0.0.1", "10.0.0.2"), refuses)
    with pytest.raises(ConnectionRefusedError):
        await Dialer().dial("name", PORT)
    assert network.tried == ["::1", "10.0.0.1", "::2", "10.0.0.2", "::3"]
    assert network.open == []


async def test_that_the_first_failure_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unreachable() -> None:
        raise OSError(errno.ENETUNREACH, "unreachable")

    network = Network(monkeypatch, "10.0.0.1", "10.0.0.2")
    network.behaviours.update({"10.0.0.1": refuses, "10.0.0.2": unreachable})
    with pytest.raises(ConnectionRefusedError):
        await Dialer().dial("name", PORT)
    network.found.clear()
    with pytest.raises(OSError, match="no address"):
        await Dialer().dial("name", PORT)


@pytest.mark.usefixtures("no_patience")
async def test_that_only_one_of_two_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch, "10.0.0.1", "10.0.0.2")
    both = asyncio.Event()

    async def together() -> None:
        if len(network.tried) == 2:
            both.set()
        await both.wait()

    network.behaviours.update({"10.0.0.1": together, "10.0.0.2": together})
    async with asyncio.timeout(5):
        connected = await Dialer().dial("name", PORT)
    assert network.open == [connected]
    assert not others()
    connected.close()


@pytest.mark.usefixtures("no_patience")
async def test_that_cancelling_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch, "10.0.0.1", "10.0.0.2")
    dialing = asyncio.create_task(Dialer().dial("name", PORT))
    async with asyncio.timeout(5):
        await network.all_tried()
    assert len(network.open) == 2
    dialing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialing
    assert network.open == []
    assert not others()


@pytest.mark.usefixtures("endless_patience")
@pytest.mark.parametrize("turns", range(1, 12))
async def test_that_cancelling_at_any_time_leaves_nothing(monkeypatch: pytest.MonkeyPatch, turns: int) -> None:
    network = Network(monkeypatch, "10.0.0.1")
    network.behaviours["10.0.0.1"] = answers
    dialing = asyncio.create_task(Dialer().dial("name", PORT))
    for _ in range(turns):
        await asyncio.sleep(0)
    dialing.cancel()
    await asyncio.wait([dialing])
    kept = [] if dialing.cancelled() else [dialing.result()]
    assert network.open == kept
    assert not others()
    for connected in kept:
        connected.close()
    gc.collect()  # a socket left open warns


@pytest.mark.parametrize("transport", [websocket, websockets_transport], ids=["picows", "websockets"])
@pytest.mark.usefixtures("no_patience")
async def test_a_session_past_a_silent_address(monkeypatch: pytest.MonkeyPatch, transport: Any) -> None:
    connect: Connect = transport.connect_websocket
    async with echo_server() as url:
        port = int(url.rstrip("/").rsplit(":", 1)[1])
        network = Network(monkeypatch, "10.0.0.1")
        network.found.append(network.entry("127.0.0.1", port=port))
        connection = await connect(f"ws://two.example:{port}/", proxy=None, connect_timeout=5)
        assert network.tried == ["10.0.0.1", "127.0.0.1"]
        await connection.aclose()
