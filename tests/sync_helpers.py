"""Blocking sessions, and a way to be the provider's side of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from duologue import messages as m
from duologue.messages.base import ServerMessage
from duologue.sync import Session
from duologue.sync.inbox import ThreadInbox
from duologue.testing import ScriptedLink
from links import WireLink


def text(number: int | str, response: str = "r1") -> m.OutputTextDelta:
    return m.OutputTextDelta(response_id=response, item_id="i1", text=str(number))


def on_loop(session: Session, action: Callable[[], object]) -> None:
    """Do something on the session's event loop, and wait until it is done."""

    async def act() -> None:
        action()

    session._thread.run(act)


def push(session: Session, *messages: ServerMessage) -> None:
    """Have the provider send these; they have arrived when this returns."""
    link = session.get_service(WireLink)
    assert link is not None
    on_loop(session, lambda: link.push(*messages))


def scripted(session: Session) -> ScriptedLink:
    link = session.get_service(ScriptedLink)
    assert link is not None
    return link


def until(condition: Callable[[], object]) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.001)


def is_waited_for(inbox: ThreadInbox) -> bool:
    """Whether a thread waits for a message, having found none."""
    return bool(inbox._reads) and inbox._news.locked()


def wait_for_reader(session: Session) -> None:
    """Wait until a thread waits for a message."""
    until(lambda: is_waited_for(session._inbox))


class Result:
    """What a thread has given or raised; at the end of the block it is there."""

    def __init__(self) -> None:
        self.value: object = None
        self.error: BaseException | None = None


@contextmanager
def in_thread(work: Callable[[], object]) -> Iterator[Result]:
    """Do `work` beside the block, and wait for its end after the block."""
    result = Result()

    def run() -> None:
        try:
            result.value = work()
        except BaseException as error:
            result.error = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield result
    thread.join(20)
    assert not thread.is_alive(), "it did not come to an end"
