"""What of `websockets` is used here: its protocol without I/O, and its frames."""

from __future__ import annotations

import random
from typing import assert_never

from duologue.errors import MissingDependency
from duologue.testing.loopback.faults import Garbage, Oversized
from duologue.transports.base import Frame

try:
    from websockets.frames import Frame as WireFrame
    from websockets.frames import Opcode
    from websockets.http11 import Request
    from websockets.protocol import Event, State
    from websockets.server import ServerProtocol
    from websockets.typing import Subprotocol
except ImportError as missing:
    raise MissingDependency("websockets", 'pip install "duologue[testing]"') from missing

__all__ = ["Event", "Opcode", "Request", "ServerProtocol", "State", "Subprotocol", "WireFrame", "encode", "inserted"]

_NO_JSON = b'{"type": "garbage", '
_NO_UTF8 = b'{"type": "\xc3\x28\xff"}'
_NO_FRAME = b"\xff" * 32  # reserved bits, an unknown opcode, and a mask from a server (RFC 6455, section 5.2)
_NOISE = random.Random(6455).randbytes(256)
_OVERSIZED = (b'{"type":"oversized","padding":"', b'"}')


def encode(frame: Frame) -> bytes:
    """A message as a server sends it: str as text, bytes as binary."""
    if isinstance(frame, str):
        return _encoded(Opcode.TEXT, frame.encode())
    return _encoded(Opcode.BINARY, frame)


def inserted(fault: Garbage | Oversized) -> bytes:
    """What such a fault puts on the wire."""
    if isinstance(fault, Oversized):
        begin, end = _OVERSIZED
        return _encoded(Opcode.TEXT, begin.ljust(fault.size - len(end), b"x") + end)
    match fault.kind:
        case "json":
            return _encoded(Opcode.TEXT, _NO_JSON)
        case "utf8":
            return _encoded(Opcode.TEXT, _NO_UTF8)
        case "wire":
            return _NO_FRAME
        case "binary":
            return _encoded(Opcode.BINARY, _NOISE)
    assert_never(fault.kind)


def _encoded(opcode: Opcode, payload: bytes) -> bytes:
    return WireFrame(opcode, payload).serialize(mask=False)
