"""What a new connection is told, and what the reader is told of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from duologue import messages as m
from duologue.messages.base import ClientMessage
from duologue.middleware.reconnection.following import Following
from duologue.middleware.reconnection.opening import Opened
from duologue.middleware.reconnection.sending import named


@dataclass(frozen=True, kw_only=True)
class Handover:
    """How a conversation goes over to a new connection.

    Attributes:
        restored: What the reader gets, but for the session's id.
        messages: What the connection is told, in order.
        is_asked: Whether an answer is asked for again.
    """

    restored: m.SessionRestored
    messages: list[ClientMessage]
    is_asked: bool


def hand_over(following: Following, opened: Opened, cause: m.RestoredCause) -> Handover:
    """Let a conversation go on over that connection. What it lacks of the conversation is counted as told to it."""
    link, items, spoken = opened.link, following.items, following.input
    can = link.capabilities
    following.turns.new_connection()
    items.replayed(opened.items, can)
    missing = items.for_another(can, beyond=opened.known, as_text=opened.is_native and can.continues_after_tool_results)
    items.replayed(missing, can)
    requests = following.requests(can)
    origin_ms = spoken.offset_ms
    restored = m.SessionRestored(
        how=opened.how(missing),
        cause=cause,
        provider=link.metadata.provider,
        model=link.metadata.model,
        asked_again=bool(requests),
        lost_responses=following.take_lost(),
        lost_calls=tuple(items.lost_calls),
        audio_offset_ms=round(origin_ms),
        dropped_audio_ms=round(spoken.dropped_ms),
    )
    told: list[ClientMessage] = [named(m.ItemCreate(item=item)) for item in missing]
    told += [*requests, *spoken.messages()]
    spoken.moved(origin_ms)
    for request in requests:
        following.unanswered.sent(request)
    return Handover(restored=restored, messages=told, is_asked=bool(requests))
