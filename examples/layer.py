"""A layer of your own: it sees every message on its way, and may pass it on, hold it back, change it or add to it."""

from __future__ import annotations

import asyncio
import time

from duologue import SessionLayer, wrap_sessions
from duologue import messages as m
from duologue.local import LocalRealtimeClient


class FirstAudio(SessionLayer):
    """Prints how long every response took to its first audio."""

    watches = (m.ResponseCreated, m.OutputAudioDelta)  # all other messages pass by
    created_at: float | None = None

    def received(self, message: m.ServerMessage) -> None:
        if isinstance(message, m.ResponseCreated):
            self.created_at = time.perf_counter()
        elif self.created_at is not None:
            print(f"first audio after {(time.perf_counter() - self.created_at) * 1000:.0f} ms")
            self.created_at = None
        self.deliver(message)


async def main() -> None:
    client = LocalRealtimeClient().with_middleware(wrap_sessions(FirstAudio))
    async with client, client.create_session() as session:
        for text in ("hello", "how are you"):
            await session.send_text(text)
            async for message in session:
                if isinstance(message, m.OutputTranscriptDone):
                    print(message.text)
                if isinstance(message, m.TurnDone):
                    break


if __name__ == "__main__":
    asyncio.run(main())
