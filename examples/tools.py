"""Functions that the model may call: plain and async ones, choices, and what happens when one fails."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from pydantic import Field

from duologue import FunctionInvocation, SessionOptions, ToolContext, tool
from duologue import messages as m
from duologue.local import LocalRealtimeClient

Room = Literal["kitchen", "hall"]


@tool(examples=["turn {on} the {room} light"])
def switch_light(room: Room, on: bool) -> str:
    """Turn a light on or off. A plain function runs in a thread."""
    return f"The {room} light is {'on' if on else 'off'}."


@tool(examples=["set the heating to {degrees} degrees"])
async def set_heating(degrees: Annotated[int, Field(ge=5, le=25)], context: ToolContext) -> str:
    """Set the heating. The context is not shown to the model."""
    print(f"  [{context.name} was called with {dict(context.arguments)}]")
    return f"The heating is set to {degrees} degrees."


@tool(examples=["open the door"])
def open_door() -> str:
    """Open the door. What a function raises is told to the model; the session goes on."""
    raise RuntimeError("The door does not answer.")


async def main() -> None:
    client = LocalRealtimeClient().with_middleware(FunctionInvocation())
    options = SessionOptions(tools=(switch_light, set_heating, open_door))
    async with client, client.create_session(options) as session:
        for request in (
            "Turn on the kitchen light, and set the heating to twenty degrees.",
            "Open the door.",
        ):
            print(f"you: {request}")
            await session.send_text(request)
            async for message in session:
                match message:
                    case m.OutputTranscriptDone(text=text):
                        print(f"assistant: {text}")
                    case m.TurnDone():
                        break


if __name__ == "__main__":
    asyncio.run(main())
