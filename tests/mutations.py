"""Frames that are damaged, for fuzzing protocols. ``DUOLOGUE_MUTATIONS`` says how many; the default is quick."""

from __future__ import annotations

import os
import random

MUTATIONS = int(os.environ.get("DUOLOGUE_MUTATIONS", "9000"))
SECONDS = 3_600 if MUTATIONS > 100_000 else 60
"""How long a test may take."""

_WORDS = [
    b"null",
    b"[]",
    b"{}",
    b'"x"',
    b"-1",
    b"1e400",
    b"0.5",
    b"true",
    b"\xff",
    b'"\\ud800"',
    b"99999999999999999999",
    b"[[[[[[[[",
    b"[{}]",
    b'{"type":null}',
]


def damaged(frame: bytes, chance: random.Random) -> bytes:
    """`frame`, with one to four things wrong."""
    data = bytearray(frame)
    for _ in range(chance.randint(1, 4)):
        _damage(data, chance)
    return bytes(data)


def _damage(data: bytearray, chance: random.Random) -> None:
    position = chance.randrange(len(data))
    match chance.randrange(5):
        case 0:
            data[position] = chance.randrange(256)
        case 1:
            del data[position : position + chance.randint(1, 8)]
            data += b" "
        case 2:
            data[position:position] = chance.choice(_WORDS)
        case 3:  # cut off
            del data[max(1, position) :]
        case _:  # a value of another type
            colon = data.find(b":", position)
            if colon >= 0:
                end = data.find(b",", colon)
                data[colon + 1 : end if end >= 0 else len(data) - 1] = chance.choice(_WORDS)
