"""Holding a conversation: the audio loop on one side, whoever asks the questions on the other."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import Any

from duologue.audio import AudioSink, AudioSource, ConversationRecorder
from duologue.audio_loop import live
from duologue.cli.terminal import View
from duologue.cli.turns import TurnLog
from duologue.errors import InvalidInput
from duologue.session import RealtimeSession


async def converse(
    session: RealtimeSession,
    source: AudioSource,
    sink: AudioSink,
    *,
    log: TurnLog,
    view: View,
    script: Coroutine[Any, Any, None],
) -> None:
    """Run the conversation until `script`, which asks the questions, is over; what it raises is raised here.

    Raises:
        SessionEnded: The session ended by itself.
    """
    asking = asyncio.create_task(_ask(session, script), name="script of the conversation")
    try:
        with view:
            async with aclosing(live(session, source, sink)) as messages:
                async for message in messages:
                    log.feed(message)
                    view.show(message)
    except BaseException:
        asking.cancel()
        await asyncio.wait([asking])
        raise
    await asking


async def _ask(session: RealtimeSession, script: Coroutine[Any, Any, None]) -> None:
    try:
        await script
    finally:
        await session.aclose()


def open_recorder(file: Path | None) -> ConversationRecorder | None:
    """A recorder that writes to `file`; None for none.

    Raises:
        InvalidInput: The file cannot be written.
    """
    try:
        return None if file is None else ConversationRecorder(file)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror}.") from None
