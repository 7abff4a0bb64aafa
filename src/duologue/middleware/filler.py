"""Something to say while a call takes long."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.link import Link
from duologue.messages.base import ServerMessage
from duologue.runtime import SessionLayer
from duologue.tools import FunctionTool, Tool

_SAY = "Say exactly this, and nothing else: "


def has_filler(tools: Iterable[Tool]) -> bool:
    """Whether one of the tools has something to say."""
    return any(isinstance(tool, FunctionTool) and tool.filler is not None for tool in tools)


def filler_request(text: str, can: Capabilities) -> m.Say | m.ResponseCreate | None:
    """What has the model say `text`; None where nothing does."""
    if can.say != "none":
        return m.Say(text=text)
    if not can.explicit_response or "instructions" not in can.response_options:
        return None
    forbids_calls = "tool_choice" in can.response_options and "none" in can.tool_choices
    return m.ResponseCreate(instructions=_SAY + text, tool_choice="none" if forbids_calls else None)


class VoiceWatch(SessionLayer):
    """Knows when the model has said all that it had to say: generated, and played at the pace of real time."""

    watches = (m.ResponseCreated, m.ResponseDone, m.OutputAudioDelta, m.Interrupted)

    def __init__(self, inner: Link) -> None:
        super().__init__(inner)
        self._responses: set[str] = set()
        self._played_at = 0.0  # when all the audio was heard, in s of the loop's clock
        self._fell_silent = asyncio.Event()  # no response is being generated
        self._fell_silent.set()

    def received(self, message: ServerMessage) -> None:
        match message:
            case m.OutputAudioDelta(audio=audio, format=format):
                begins_at = max(self._played_at, asyncio.get_running_loop().time())
                self._played_at = begins_at + len(audio) / format.bytes_per_second
            case m.ResponseCreated(response_id=response_id):
                self._responses.add(response_id)
                self._fell_silent.clear()
            case m.ResponseDone(response_id=response_id):
                self._responses.discard(response_id)
                if not self._responses:
                    self._fell_silent.set()
            case m.Interrupted():
                self._played_at = 0.0
            case _:
                pass
        self.deliver(message)

    async def silence(self) -> None:
        """Wait until the model says nothing."""
        loop = asyncio.get_running_loop()
        while True:
            await self._fell_silent.wait()
            seconds_left = self._played_at - loop.time()
            if seconds_left <= 0:
                return
            await asyncio.sleep(seconds_left)
