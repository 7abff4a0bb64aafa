"""The one event loop of a process: started on first use, stopped at exit, left to the parent after a fork."""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401 - its exit handler is to be there first
import os
import threading

from duologue.client import RealtimeClient
from duologue.errors import InvalidInput
from duologue.sync.loop_thread import STOPPED, LoopThread

_guard = threading.RLock()  # a signal handler may come here while its thread is here
_current: LoopThread | None = None
_threads: dict[RealtimeClient, LoopThread] = {}  # until the client is closed
_is_exiting = False


def thread_of(client: RealtimeClient) -> LoopThread:
    """The thread that `client` lives on: since its first use here the one that ran then, which is started if need be.

    Raises:
        InvalidInput: The program is exiting.
    """
    global _current
    thread = _threads.get(client)  # without the lock, whose owner may wait for the loop, which asks here, too
    if thread is None:
        with _guard:
            if _is_exiting:
                raise InvalidInput(STOPPED)
            if _current is None or _current.is_over:
                _current = LoopThread()
            thread = _threads.setdefault(client, _current)
            thread.clients.add(client)
    return thread


def _running() -> set[LoopThread]:
    """More than one where a signal handler has started its own while one was being started."""
    return {thread for thread in (_current, *tuple(_threads.values())) if thread is not None}


def forget_client(client: RealtimeClient) -> None:
    """It is closed."""
    with _guard:
        thread = _threads.pop(client, None)
        if thread is not None:
            thread.clients.discard(client)


# --- at exit ---


def _main_thread_is_done() -> None:
    """Stop while executors still work, as closing may need them; but not under threads that the program waits for."""
    if not any(_belongs_to_program(thread) for thread in threading.enumerate()):
        _stop()


def _belongs_to_program(thread: threading.Thread) -> bool:
    workers = ("asyncio_", "duologue")  # of executors, which wait for more work until the program exits
    return not (thread is threading.main_thread() or thread.daemon or thread.name.startswith(workers))


def _stop() -> None:
    global _is_exiting
    with _guard:
        _is_exiting = True
    for thread in _running():
        if not thread.is_of_parent:
            thread.stop()


# There is no public way to act before the executors' own handler, which is called after those that came later.
_register = getattr(threading, "_register_atexit", None)
if _register is not None:
    _register(_main_thread_is_done)
atexit.register(_stop)


# --- in a child ---


def _forget_parent() -> None:
    """The parent's thread is not here, its sockets are not ours to close, and its locks may be held."""
    global _guard, _current
    _guard = threading.RLock()
    for thread in _running():
        thread.forget()
    _current = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
