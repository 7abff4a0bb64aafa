"""The contract for programs without an event loop.

::

    from duologue.sync import RealtimeClient

    client = RealtimeClient(api_key="...", model="gpt-realtime")
    client.send_text("Hello")
    for event in client:
        print(event)

`RealtimeClient` is one client with one session, which opens at first use. `connect` opens sessions of any client, with
any middleware. Both do their work on one event loop in a daemon thread, of which there is one a process.
"""

from duologue.sync.client import RealtimeClient
from duologue.sync.session import Session, close, connect

__all__ = ["RealtimeClient", "Session", "close", "connect"]
