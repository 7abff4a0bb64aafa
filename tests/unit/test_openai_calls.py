"""A call that the wire tells of five times runs once: frames in, through a session with its layers, frames out."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.conversation import Conversation
from duologue.link import Link, ProviderMetadata
from duologue.middleware import FunctionInvocation
from duologue.options import SessionOptions
from duologue.protocols.openai import AZURE_PREVIEW, OPENAI, VOICE_LIVE, XAI, Dialect, OpenAIClientProtocol
from duologue.runtime.protocol_link import ProtocolLink
from duologue.runtime.provider_client import ProviderClient
from duologue.tools import tool
from duologue.transports import Closed, Frame, MemoryTransport, memory_pair
from openai_wire import SESSION, frame, opened

CONFIRMED = frame("session.updated", session=SESSION)
CALL = {"id": "i", "type": "function_call", "call_id": "c", "name": "add", "arguments": '{"a":1,"b":2}'}
BEGUN = {**CALL, "arguments": "", "status": "in_progress"}
WHOLE = {**CALL, "status": "completed"}
WHERE: dict[str, Any] = {"response_id": "r", "item_id": "i", "output_index": 0}


def response(item: dict[str, Any] = WHOLE, status: str = "completed") -> list[str]:
    """All that a server says of a response with one call."""
    return [
        frame("response.created", response={"id": "r", "status": "in_progress", "output": []}),
        frame("response.output_item.added", response_id="r", output_index=0, item=BEGUN),
        frame("conversation.item.added", item=BEGUN, previous_item_id=None),
        frame("response.function_call_arguments.delta", **WHERE, call_id="c", delta='{"a":1,'),
        frame("response.function_call_arguments.delta", **WHERE, call_id="c", delta='"b":2}'),
        frame("response.function_call_arguments.done", **WHERE, call_id="c", name="add", arguments=CALL["arguments"]),
        frame("conversation.item.done", item=item, previous_item_id=None),
        frame("response.output_item.done", response_id="r", output_index=0, item=item),
        frame("response.done", response={"id": "r", "status": status, "output": [item]}),
    ]


@pytest.mark.parametrize("dialect", [OPENAI, XAI, AZURE_PREVIEW, VOICE_LIVE], ids=lambda dialect: dialect.provider)
def test_that_a_conversation_holds_it_once(dialect: Dialect) -> None:
    protocol, conversation = opened(dialect), Conversation()
    told = [message for text in response() for message in protocol.receive(text)]
    for message in told:
        conversation.feed(message)
    assert [item.id for item in conversation.items] == ["i"]
    assert list(conversation.open_calls) == ["c"]
    [done] = [message for message in told if isinstance(message, m.ResponseDone)]
    assert [call.arguments for call in done.function_calls] == [CALL["arguments"]]
    assert len([message for message in told if isinstance(message, m.ItemDone)]) == 1


def test_that_a_call_that_was_cut_off_is_not_open() -> None:
    protocol, conversation = opened(), Conversation()
    cut = {**CALL, "arguments": '{"a":', "status": "incomplete"}
    for text in response(cut, "cancelled"):
        for message in protocol.receive(text):
            conversation.feed(message)
    assert conversation.open_calls == {}


class Server:
    """The other end of a session: says what it is told to, and notes what it hears."""

    def __init__(self, transport: MemoryTransport) -> None:
        self.heard: list[dict[str, Any]] = []
        self.asked = asyncio.Event()
        self._transport = transport
        transport.start(self)
        transport.write(frame("session.created", session=SESSION))

    def say(self, *frames: str) -> None:
        for text in frames:
            self._transport.write(text)

    def frame_received(self, frame: Frame) -> None:
        event = json.loads(frame)
        self.heard.append(event)
        if event["type"] == "session.update":
            self.say(CONFIRMED)
        elif event["type"] == "response.create":
            self.asked.set()

    def connection_closed(self, how: Closed) -> None:
        pass


class Client(ProviderClient):
    """Sessions over a line inside the process."""

    server: Server

    @property
    def metadata(self) -> ProviderMetadata:
        return ProviderMetadata(provider="openai")

    def capabilities(self, options: SessionOptions | None = None) -> Any:
        return OPENAI.capabilities

    async def open_link(self, options: SessionOptions, dropped: tuple[str, ...]) -> Link:
        ours, theirs = memory_pair()
        self.server = Server(theirs)
        protocol = OpenAIClientProtocol()
        protocol.open(options)
        link = ProtocolLink(protocol, ours, options, OPENAI.capabilities, self.metadata, dropped)
        await link.open()
        return link


async def test_that_it_runs_once_and_is_answered_once() -> None:
    ran: list[tuple[int, int]] = []

    @tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        ran.append((a, b))
        return a + b

    bare = Client()
    client: RealtimeClient = bare.with_middleware(FunctionInvocation())
    async with client.create_session(SessionOptions(tools=(add,))) as session:
        bare.server.say(*response())
        bare.server.say(*response()[-3:])  # a server that repeats itself
        async for message in session:
            if isinstance(message, m.ResponseDone):
                break
        await asyncio.wait_for(bare.server.asked.wait(), 5)
        answers = [event["item"] for event in bare.server.heard if event["type"] == "conversation.item.create"]
        assert [(answer["type"], answer["call_id"], answer["output"]) for answer in answers] == [
            ("function_call_output", "c", "3")
        ]
        assert [event["type"] for event in bare.server.heard].count("response.create") == 1
    assert ran == [(1, 2)]
    await bare.aclose()
