"""The emulated server, a process of its own: sessions on plain and TLS WebSockets, and a line of control.

It sends what the control asks for, to the latest so many sessions, and counts the microphone's audio that it gets.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
import sys
import tempfile
import time
import zlib
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import picows
import pybase64

from peers import gemini_wire, wire
from peers.wire import Deltas, Response, Totals

_TURN_DELTAS = 10
_ROOM = 4 << 20  # bytes, that the system is asked to hold of what was not read yet
_UNREAD = 1.0  # s, for which it is not read at most


class _Sent(msgspec.Struct):
    """What is read of a client's event on OpenAI's wire."""

    type: str
    audio: str = ""
    session: dict[str, Any] = {}


_sent = msgspec.json.Decoder(_Sent)
_sent_to_gemini = msgspec.json.Decoder(gemini_wire.Sent)


class _Microphone:
    """The audio that came from all sessions, in order."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.audio = self.crc = 0
        self._wanted = 0
        self._enough = asyncio.Event()

    def add(self, encoded: str) -> None:
        pcm = pybase64.b64decode(encoded, validate=True)
        self.audio += len(pcm)
        self.crc = zlib.crc32(pcm, self.crc)
        if self.audio >= self._wanted:
            self._enough.set()

    async def wait_for(self, audio: int) -> None:
        self._wanted = audio
        if self.audio < audio:
            self._enough.clear()
            await self._enough.wait()


class _Session(picows.WSListener):
    """A session on OpenAI's wire."""

    response: type[Response] = wire.Response
    frames = picows.WSMsgType.TEXT

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server
        self._transport: picows.WSTransport | None = None

    def send(self, frame: bytes) -> None:
        assert self._transport is not None
        self._transport.send(self.frames, frame)

    def read(self, wanted: bool) -> None:
        assert self._transport is not None
        stream = self._transport.underlying_transport
        if wanted:
            stream.resume_reading()
        else:
            stream.pause_reading()

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self._transport = transport
        self._server.sessions.append(self)
        self.greet()

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif frame.msg_type == picows.WSMsgType.TEXT:
            self.take(frame.get_payload_as_bytes())

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self._server.sessions.remove(self)

    def greet(self) -> None:
        self.send(wire.session_created())

    def take(self, frame: bytes) -> None:
        event = _sent.decode(frame)
        if event.type == "input_audio_buffer.append":
            self._server.microphone.add(event.audio)
        elif event.type == "session.update":
            self.send(wire.session_updated(event.session))


class _GeminiSession(_Session):
    """A session on Gemini's wire: the client begins, and the server's frames are binary."""

    response = gemini_wire.Response
    frames = picows.WSMsgType.BINARY

    def greet(self) -> None:
        pass

    def take(self, frame: bytes) -> None:
        event = _sent_to_gemini.decode(frame)
        if event.audio:
            self._server.microphone.add(event.audio)
        elif event.setup is not None:
            self.send(gemini_wire.setup_complete())


@dataclass
class _Prepared:
    """A response that is being sent."""

    sessions: list[_Session]
    response: Response
    deltas: Deltas
    frames: list[bytes]


class Server:
    """The sessions, and what the control asks for."""

    def __init__(self) -> None:
        self.sessions: list[_Session] = []
        self.microphone = _Microphone()
        self._prepared: _Prepared | None = None
        self._reading: asyncio.TimerHandle | None = None

    async def control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Obey one line of JSON after the other: ``{"do": name, …}``."""
        while line := await reader.readline():
            command = json.loads(line)
            answer = await getattr(self, f"do_{command.pop('do')}")(**command)
            if answer is not None:
                writer.write(json.dumps(answer).encode() + b"\n")
        writer.close()

    async def do_prepare(self, sessions: int, audio_ms: int, deltas: int) -> dict[str, int]:
        """Open a response in the latest so many sessions; gives back what its deltas will hold, for one session."""
        response = self.sessions[-1].response()
        prepared = response.deltas(audio_ms, deltas)
        self._prepared = _Prepared(self.sessions[-sessions:], response, prepared, prepared.frames())
        for session in self._prepared.sessions:
            for frame in response.opening():
                session.send(frame)
        return asdict(prepared.totals())

    async def do_flood(self) -> None:
        """All its deltas at once."""
        assert self._prepared is not None
        for session in self._prepared.sessions:
            for frame in self._prepared.frames:
                session.send(frame)

    async def do_pace(self, per_second: float, spread: bool) -> None:
        """Its deltas, stamped, so many a second in every session.

        Args:
            per_second: How many.
            spread: The sessions one after the other, evenly; else all at the same moment.
        """
        assert self._prepared is not None
        sessions, deltas = self._prepared.sessions, self._prepared.deltas
        step = 1 / per_second / len(sessions)
        due = time.monotonic()
        for number in range(len(self._prepared.frames)):
            for place, session in enumerate(sessions):
                due += step
                if (spread or not place) and (ahead := due - time.monotonic()) > 0:
                    time.sleep(ahead)  # noqa: ASYNC251 - the loop's own timers only know whole milliseconds
                session.send(deltas.stamped(number))
            await asyncio.sleep(0)

    async def do_finish(self) -> None:
        """Close the response."""
        assert self._prepared is not None
        for session in self._prepared.sessions:
            for frame in self._prepared.response.closing(self._prepared.deltas.transcript):
                session.send(frame)

    async def do_turns(self, turns: int, audio_ms: int) -> dict[str, int]:
        """Short responses, whole, one after the other, in the latest session; announced, then sent."""
        frames: list[bytes] = []
        audio = characters = 0
        for _ in range(turns):
            response = self.sessions[-1].response()
            deltas = response.deltas(audio_ms, _TURN_DELTAS)
            frames += [*response.opening(), *deltas.frames(), *response.closing(deltas.transcript)]
            audio, characters = audio + deltas.totals().audio, characters + deltas.totals().characters
        asyncio.get_running_loop().call_later(0.05, self._send_all, self.sessions[-1], frames)
        return asdict(Totals(len(frames), audio, characters, 0, 0))

    @staticmethod
    def _send_all(session: _Session, frames: list[bytes]) -> None:
        for frame in frames:
            session.send(frame)

    async def do_listen(self) -> dict[str, int]:
        """Count the microphone's audio from zero, but read it only when asked for it, or a little later.

        On many a machine a client that runs at the same time as this process is slower, and costs more, than one that
        runs alone: which it is would be chance.
        """
        self.microphone.clear()
        for session in self.sessions:
            session.read(False)
        self._reading = asyncio.get_running_loop().call_later(_UNREAD, self._read)
        return {}

    def _read(self) -> None:
        for session in self.sessions:
            session.read(True)

    async def do_heard(self, audio: int) -> dict[str, int]:
        """Wait for so many bytes of it."""
        if self._reading is not None:
            self._reading.cancel()
        self._read()
        await self.microphone.wait_for(audio)
        return {"audio": self.microphone.audio, "crc": self.microphone.crc}


def _certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A certificate for loopback, and the file that makes clients trust it beside what the system trusts."""
    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusted = folder / "trusted.pem"
    system = ssl.get_default_verify_paths().cafile
    if system is None:
        import certifi

        system = certifi.where()
    trusted.write_bytes(Path(system).read_bytes() + authority.cert_pem.bytes())
    return context, trusted


def _listener(server: Server, kind: type[_Session], request: picows.WSUpgradeRequest) -> picows.WSListener:
    return kind(server)


async def _serve(folder: Path) -> None:
    logging.getLogger("picows").setLevel(logging.CRITICAL)
    server = Server()
    context, trusted = _certificate(folder)
    ports = {}
    for prefix, kind in (("", _Session), ("gemini_", _GeminiSession)):
        for scheme, security in (("ws", None), ("wss", context)):
            listening = await picows.ws_create_server(partial(_listener, server, kind), "127.0.0.1", 0, ssl=security)
            listening.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
            listening.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ROOM)
            ports[prefix + scheme] = listening.sockets[0].getsockname()[1]
    control = await asyncio.start_server(server.control, "127.0.0.1", 0)
    ports["control"] = control.sockets[0].getsockname()[1]
    print(json.dumps({"ports": ports, "trusted": str(trusted)}), flush=True)
    await asyncio.to_thread(sys.stdin.read)  # until whoever started this is gone


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(_serve(Path(name)))
