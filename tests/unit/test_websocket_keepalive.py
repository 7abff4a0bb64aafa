"""Whether the peer is still there: the judgement, the shared timer, and both transports with short deadlines."""

from __future__ import annotations

import asyncio

import pytest

from duologue.errors import InvalidInput
from duologue.transports import websocket, websockets_transport
from duologue.transports.keepalive import Liveness, SharedTimer, Verdict, shared_timer
from duologue.transports.limits import WebSocketLimits
from websocket_receiver import Connect, Receiver, opened
from websocket_servers import CLOSE, CONTINUATION, PING, PONG, TEXT, Peer, frame, raw_server

_SHORT = WebSocketLimits(ping_interval=0.02, dead_after=0.04, close_timeout=0.1)


@pytest.fixture(params=[websocket, websockets_transport], ids=["picows", "websockets"])
def connect(request: pytest.FixtureRequest) -> Connect:
    chosen: Connect = request.param.connect_websocket
    return chosen


# --- the judgement, on a clock of its own ---


class Judged:
    """A connection on a clock that is set by hand."""

    def __init__(self, **times: float | None) -> None:
        self.liveness = Liveness(WebSocketLimits(**{"ping_interval": 20.0, "dead_after": 10.0, **times}), 0.0)  # type: ignore[arg-type]
        self.now = 0.0

    def after(self, seconds: float, *, heard: bool = False, message: bool = False, deaf: bool = False) -> Verdict:
        """Silence for so long but for its end, checked every 2.5 s; the verdict at the end."""
        end = self.now + seconds
        while self.now + 2.5 < end:
            self.now += 2.5
            verdict = self.liveness.check(self.now, heard=False, message=False, deaf=deaf)
            assert verdict is Verdict.WAIT, (self.now, verdict)
        self.now = end
        return self.liveness.check(end, heard=heard or message, message=message, deaf=deaf)


def test_that_silence_is_asked_once_and_then_dead() -> None:
    judged = Judged()
    assert judged.after(20) is Verdict.PING
    assert judged.after(9.9) is Verdict.WAIT
    assert judged.after(0.1) is Verdict.DEAD


def test_that_an_answer_starts_over() -> None:
    judged = Judged()
    for _ in range(3):
        assert judged.after(20) is Verdict.PING
        assert judged.after(9, heard=True) is Verdict.WAIT
    assert judged.after(15, message=True) is Verdict.WAIT
    assert judged.after(19.9) is Verdict.WAIT
    assert judged.after(0.1) is Verdict.PING


def test_that_silence_says_nothing_while_we_do_not_listen() -> None:
    judged = Judged(idle_timeout=60.0)
    assert judged.after(20) is Verdict.PING
    assert judged.after(1000, deaf=True) is Verdict.WAIT
    assert judged.after(20) is Verdict.PING
    assert judged.after(10) is Verdict.DEAD


def test_that_silence_says_nothing_while_the_loop_hangs() -> None:
    judged = Judged()
    assert judged.after(20) is Verdict.PING
    judged.now += 30
    assert judged.liveness.check(judged.now, heard=False, message=False, deaf=False) is Verdict.WAIT
    assert judged.after(20) is Verdict.PING
    assert judged.after(10) is Verdict.DEAD


def test_that_pongs_are_not_messages() -> None:
    judged = Judged(idle_timeout=60.0)
    for _ in range(6):
        assert judged.after(9.9, heard=True) is Verdict.WAIT
    assert judged.after(0.6) is Verdict.IDLE


def test_that_times_can_be_off() -> None:
    judged = Judged(ping_interval=None)
    assert judged.after(100_000) is Verdict.WAIT


@pytest.mark.parametrize(
    "wrong",
    [
        {"ping_interval": 0},
        {"dead_after": -1},
        {"idle_timeout": 0},
        {"max_message_size": 0},
        {"close_timeout": 0},
        {"low_water": 10, "high_water": 5},
        {"low_water": -1},
    ],
)
def test_limits_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        WebSocketLimits(**wrong)  # type: ignore[arg-type]


# --- the shared timer ---


class Counting:
    def __init__(self, resolution: float) -> None:
        self.resolution = resolution
        self.checked = asyncio.Event()

    def check(self, now: float) -> None:
        assert now == pytest.approx(asyncio.get_running_loop().time(), abs=5)
        self.checked.set()


async def test_that_one_timer_serves_all_and_rests_without_any() -> None:
    timer = SharedTimer()
    slow, quick = Counting(1000.0), Counting(0.001)
    timer.watch(slow)
    timer.watch(quick)  # does not wait for the slow one's time
    await asyncio.wait_for(quick.checked.wait(), 2)
    await asyncio.wait_for(slow.checked.wait(), 2)
    timer.unwatch(quick)
    timer.unwatch(quick)
    timer.unwatch(slow)
    assert timer._handle is None
    loops_own = shared_timer()
    assert shared_timer() is loops_own


# --- on the wire ---


async def test_that_a_silent_peer_is_pinged_and_lives_by_its_pongs(connect: Connect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept()
        for _ in range(5):
            peer.send(frame(PONG, await peer.receive_kind(PING)))
        peer.send(frame(TEXT, b"alive"))
        peer.send(frame(CLOSE, await peer.receive_kind(CLOSE)))
        await peer.at_end()

    async with raw_server(behave) as server:
        limits = WebSocketLimits(ping_interval=0.02, dead_after=1.0)
        async with opened(await connect(server.url, limits=limits), Receiver()) as receiver:
            assert await receiver.got(1) == ["alive"]
        await server.all_gone()


async def test_that_the_parts_of_a_long_message_are_signs_of_life(connect: Connect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept()
        peer.send(frame(TEXT, b"a", final=False))
        for _ in range(3):  # it answers no ping until it is done
            await peer.receive_kind(PING)
            peer.send(frame(CONTINUATION, b"a", final=False))
        peer.send(frame(CONTINUATION, b"a"))
        peer.send(frame(CLOSE, await peer.receive_kind(CLOSE)))
        await peer.at_end()

    async with raw_server(behave) as server:
        limits = WebSocketLimits(ping_interval=0.02, dead_after=0.5)
        async with opened(await connect(server.url, limits=limits), Receiver()) as receiver:
            assert await receiver.got(1) == ["aaaaa"]
        await server.all_gone()


async def test_that_a_peer_that_does_not_answer_is_gone(connect: Connect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept()
        await peer.at_end()

    async with raw_server(behave) as server:
        transport = await connect(server.url, limits=_SHORT)
        receiver = Receiver()
        transport.start(receiver)
        how = await receiver.end()
        assert "did not answer a ping" in (how.error or "")
        await server.all_gone()
        await transport.aclose()


async def test_that_a_paused_reader_does_not_take_its_peer_for_gone(connect: Connect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept()
        await resumed.wait()
        peer.send(frame(TEXT, b"still here"))
        await peer.at_end()

    resumed = asyncio.Event()
    async with raw_server(behave) as server:
        transport = await connect(server.url, limits=_SHORT)
        receiver = Receiver()
        await asyncio.sleep(0.15)  # not started: not read
        transport.start(receiver)
        transport.pause_reading()
        await asyncio.sleep(0.15)
        assert receiver.closed == []
        resumed.set()
        transport.resume_reading()
        assert await receiver.got(1) == ["still here"]
        assert "did not answer a ping" in ((await receiver.end()).error or "")


async def test_that_a_connection_without_messages_ends(connect: Connect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept()
        peer.send(frame(TEXT, b"hello"))
        while (got := await peer.receive())[0] == PING:
            peer.send(frame(PONG, got[1]))
        assert got[0] == CLOSE
        peer.send(frame(CLOSE, got[1]))
        await peer.at_end()

    async with raw_server(behave) as server:
        limits = WebSocketLimits(ping_interval=0.02, dead_after=1.0, idle_timeout=0.1)
        transport = await connect(server.url, limits=limits)
        receiver = Receiver()
        transport.start(receiver)
        how = await receiver.end()
        assert receiver.frames == ["hello"]
        assert how.error == "No message came for 0.1 s."
        await server.all_gone()
