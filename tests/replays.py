"""Conversations with a scripted provider, recorded and played."""

from __future__ import annotations

from pathlib import Path

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.messages.base import ServerMessage
from duologue.middleware.function_invocation import FunctionInvocation
from duologue.middleware.recording import Recording
from duologue.options import SessionOptions
from duologue.session import RealtimeSession
from duologue.testing import ScriptedClient, ScriptedReply
from duologue.testing.replay import ReplayClient
from duologue.tools import tool
from links import WireClient


@tool
def get_weather(city: str) -> str:
    "The weather."
    return f"rain in {city}"


OPTIONS = SessionOptions(tools=(get_weather,), instructions="Be brief.")


async def ask(
    client: RealtimeClient, *questions: str, options: SessionOptions | None = OPTIONS, audio: bytes = b""
) -> list[ServerMessage]:
    """A turn for each question; all that was read."""
    read: list[ServerMessage] = []
    async with client.create_session(options) as session:
        if audio:
            await session.send_audio(audio)
        for question in questions:
            await session.send_text(question)
            read += await turn(session)
    return read


async def turn(session: RealtimeSession) -> list[ServerMessage]:
    read: list[ServerMessage] = []
    async for message in session:
        read.append(message)
        if isinstance(message, m.TurnDone):
            return read
    raise AssertionError("the session ended before the turn")


async def record(path: Path, *questions: str, audio: bytes = b"") -> list[ServerMessage]:
    client = ScriptedClient(
        [ScriptedReply.call("get_weather", {"city": "Oslo"}), ScriptedReply.speech("It rains.")] * 3
    )
    return await ask(client.with_middleware(FunctionInvocation(), Recording(path)), *questions, audio=audio)


def replay(path: Path, **settings: object) -> RealtimeClient:
    return ReplayClient(path, **{"speed": None, **settings}).with_middleware(FunctionInvocation())  # type: ignore[arg-type]


async def recorded_sends(path: Path, *messages: m.ClientMessage) -> None:
    """A recording in which the application sends these, and the provider says nothing."""
    session = await WireClient().with_middleware(Recording(path)).create_session()
    for message in messages:
        await session.send(message)
    await session.aclose()


def content(path: Path) -> bytes:
    return path.read_bytes()


def shorten(path: Path, size: int) -> None:
    """Cut that many bytes off the end of a file."""
    path.write_bytes(path.read_bytes()[:-size])
