"""Sessions with guardrails whose verdicts the test gives, at the moment that it chooses."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.client import RealtimeClient
from duologue.errors import SessionEnded
from duologue.middleware.guardrails import CheckContext, Guardrails, Judgement, Verdict
from duologue.options import SessionOptions, Transcription
from duologue.session import RealtimeSession
from links import EVERYTHING, WireClient, WireLink


@dataclass
class Question:
    """A check that waits for its verdict."""

    text: str
    context: CheckContext
    verdict: asyncio.Future[Verdict | None] = field(default_factory=asyncio.Future)


class Judge:
    """A check, and what is told of the verdicts."""

    def __init__(self) -> None:
        self.questions: asyncio.Queue[Question] = asyncio.Queue()
        self.judgements: asyncio.Queue[Judgement] = asyncio.Queue()

    async def check(self, text: str, context: CheckContext) -> Verdict | None:
        question = Question(text, context)
        self.questions.put_nowait(question)
        return await question.verdict

    async def asked(self) -> Question:
        """The next check."""
        return await asyncio.wait_for(self.questions.get(), 5)

    async def outcome(self) -> str:
        """What came of the next verdict."""
        return (await asyncio.wait_for(self.judgements.get(), 5)).outcome

    async def decide(self, verdict: Verdict | None) -> str:
        """Give the next check its verdict: what came of it."""
        (await self.asked()).verdict.set_result(verdict)
        return await self.outcome()


class Clock:
    """A clock that stands until the test moves it: what was received is not played meanwhile."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Guarded:
    """A session on a wire that the test holds."""

    session: RealtimeSession
    link: WireLink
    judge: Judge
    clock: Clock

    def read(self) -> list[m.ServerMessage]:
        """What the reader has got since the last call."""
        inbox = self.session._inbox
        messages = []
        while len(inbox):
            messages.append(inbox._take())
        return messages

    def types(self) -> list[str]:
        return [message.type for message in self.read()]

    def sent(self) -> list[str]:
        return [message.type for message in self.link.written]

    async def says(self, text: str) -> str:
        """The user says `text`: the id of the item."""
        item = f"u{len(self.link.written)}{text}"
        self.link.push(
            m.InputSpeechStarted(item_id=item),
            m.InputSpeechStopped(item_id=item),
            m.InputAudioCommitted(item_id=item),
        )
        self.link.push(m.InputTranscriptCompleted(item_id=item, text=text))
        return item


async def guarded(
    *, on: str = "output", capabilities: Capabilities = EVERYTHING, judge: Judge | None = None, **settings: object
) -> Guarded:
    """A session; its SessionCreated is read."""
    judge, clock = judge or Judge(), Clock()
    checks = {f"on_{direction}": judge.check for direction in on.split()}
    guardrails = Guardrails(**{**checks, "on_verdict": judge.judgements.put_nowait, **settings})  # type: ignore[arg-type]
    client = WireClient(capabilities, clock=clock)
    wrapped: RealtimeClient = client.with_middleware(guardrails)
    session = await wrapped.create_session(SessionOptions(transcription=Transcription()))
    await anext(session)
    return Guarded(session, client.link, judge, clock)


def created(response: str = "r1", *, out_of_band: bool = False) -> m.ResponseCreated:
    return m.ResponseCreated(response_id=response, out_of_band=out_of_band)


def item_added(response: str = "r1", item: str = "i1") -> m.OutputItemAdded:
    return m.OutputItemAdded(response_id=response, item=m.MessageItem(id=item, role="assistant"))


def words(text: str, response: str = "r1", item: str = "i1") -> m.OutputTranscriptDelta:
    return m.OutputTranscriptDelta(response_id=response, item_id=item, text=text)


def done(
    response: str = "r1", status: str = "completed", *, items: tuple[m.Item, ...] = (), out_of_band: bool = False
) -> m.ResponseDone:
    return m.ResponseDone(response_id=response, status=status, items=items, out_of_band=out_of_band)


async def end_of(session: RealtimeSession) -> BaseException | None:
    """How the session ends for the reader."""
    try:
        async with asyncio.timeout(5):
            async for _ in session:
                pass
    except SessionEnded as end:
        return end
    return None


async def settled() -> None:
    """All that can happen without waiting has happened."""
    for _ in range(10):
        await asyncio.sleep(0)
