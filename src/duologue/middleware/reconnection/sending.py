"""What is sent over connections that come and go."""

from __future__ import annotations

import itertools
from typing import TypeVar

from msgspec.structs import replace

from duologue import messages as m
from duologue.errors import DuologueError
from duologue.lifecycle import new_id
from duologue.messages.base import ClientMessage

_ids = itertools.count(1)
Sent = TypeVar("Sent", bound=ClientMessage)

NOTED = (m.ItemCreate, m.ResponseCreate, m.Say)
"""What is remembered before it goes out: should it be lost on the way, the next connection is told."""


def named(message: Sent) -> Sent:
    """The message with an id, and its item with one: what is told of it later is known by that."""
    if message.id is None:
        message = replace(message, id=f"lasting_{next(_ids)}")
    if isinstance(message, m.ItemCreate) and message.item.id is None:
        message = replace(message, item=replace(message.item, id=new_id("item")))
    return message


def refusal(message: ClientMessage, error: DuologueError) -> m.ErrorReported:
    """What the reader is told of a message that the new connection does not take."""
    detail = m.ErrorDetail(message=str(error), type=type(error).__name__)
    return m.ErrorReported(kind="invalid_request", error=detail, cause_id=message.id)
