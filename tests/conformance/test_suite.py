"""The conformance suite notices providers that do not behave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import msgspec
import pytest

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.client import RealtimeClient
from duologue.errors import UnsupportedOperation
from duologue.link import Link
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import SessionOptions
from duologue.runtime import LayeredClient, SessionLayer
from duologue.testing.conformance import ConformanceSuite
from local_harness import LocalHarness

Fault = Callable[[ServerMessage], Iterable[ServerMessage]]


def dropping(kind: type[ServerMessage]) -> Fault:
    return lambda message: () if isinstance(message, kind) else (message,)


def doubling(kind: type[ServerMessage]) -> Fault:
    return lambda message: (message, message) if isinstance(message, kind) else (message,)


def changing(kind: type[ServerMessage], **changes: object) -> Fault:
    return lambda message: (msgspec.structs.replace(message, **changes) if isinstance(message, kind) else message,)


class Faulty(LayeredClient):
    """A client whose sessions say something else, or whose capabilities do."""

    def __init__(self, inner: RealtimeClient, layer: Callable[[Link], SessionLayer], lies: dict[str, object]) -> None:
        super().__init__(inner, layer)
        self._lies = lies

    def capabilities(self, options: SessionOptions | None = None) -> Capabilities:
        return msgspec.structs.replace(super().capabilities(options), **self._lies)


class FaultyHarness(LocalHarness):
    """The embedded provider with a fault."""

    timeout = 0.3

    def __init__(
        self,
        fault: Fault = lambda message: (message,),
        *,
        send: Callable[[SessionLayer, ClientMessage], Awaitable[str]] | None = None,
        leaks: bool = False,
        **lies: object,
    ) -> None:
        super().__init__()
        self._fault, self._send, self._leaks, self._lies = fault, send, leaks, lies
        self.leaked: list[asyncio.Task[object]] = []

    def make_client(self) -> RealtimeClient:  # type: ignore[override]
        fault, send, lies, harness = self._fault, self._send, self._lies, self

        class Layer(SessionLayer):
            async def send(self, message: ClientMessage) -> str:
                return await (self.inner.send(message) if send is None else send(self, message))

            def received(self, message: ServerMessage) -> None:
                for said in fault(message):
                    self.deliver(said)

            @property
            def capabilities(self) -> Capabilities:
                return msgspec.structs.replace(self.inner.capabilities, **lies)

        if self._leaks:
            harness.leaked.append(asyncio.ensure_future(asyncio.Event().wait()))
        return Faulty(super().make_client(), Layer, lies)


SUITE = ConformanceSuite()
TEXT_TURN = SUITE.test_a_written_question_is_answered
SPOKEN_TURN = SUITE.test_a_spoken_question_is_answered
INTERRUPTION = SUITE.test_speech_interrupts_an_answer_that_is_being_given


@pytest.mark.parametrize(
    ("test", "fault"),
    [
        (SUITE.test_session_created_comes_first, dropping(m.SessionCreated)),
        (TEXT_TURN, dropping(m.ResponseDone)),
        (TEXT_TURN, doubling(m.ResponseDone)),
        (TEXT_TURN, dropping(m.TurnDone)),
        (TEXT_TURN, dropping(m.OutputItemAdded)),
        (TEXT_TURN, dropping(m.ItemDone)),
        (TEXT_TURN, doubling(m.OutputTranscriptDelta)),
        (TEXT_TURN, changing(m.ResponseDone, status="incomplete")),
        (SUITE.test_an_answer_is_spoken_with_its_words, dropping(m.OutputAudioDelta)),
        (SPOKEN_TURN, dropping(m.InputSpeechStopped)),
        (SPOKEN_TURN, dropping(m.InputSpeechStarted)),
        (SPOKEN_TURN, changing(m.InputTranscriptCompleted, text="Something else.")),
        (SPOKEN_TURN, dropping(m.InputTranscriptCompleted)),
        (INTERRUPTION, doubling(m.Interrupted)),
        (INTERRUPTION, dropping(m.Interrupted)),
        (INTERRUPTION, dropping(m.ItemTruncated)),
        (INTERRUPTION, changing(m.ItemTruncated, transcript=None, audio_end_ms=10_000_000)),
        (SUITE.test_a_response_can_be_cancelled, changing(m.ResponseDone, status="completed")),
        (SUITE.test_metadata_comes_back, changing(m.ResponseDone, metadata=None)),
        (SUITE.test_an_item_is_deleted, dropping(m.ItemDeleted)),
        (SUITE.test_a_commit_of_nothing_is_an_error_that_names_its_cause, changing(m.ErrorReported, cause_id="msg")),
        (SUITE.test_an_answer_follows_the_result, doubling(m.FunctionArgumentsDone)),
        (SUITE.test_every_message_can_be_written_down, changing(m.TurnDone, outcome="no outcome")),
    ],
)
async def test_a_fault_is_noticed(test: Callable[[LocalHarness], Awaitable[None]], fault: Fault) -> None:
    await test(LocalHarness())  # it is not the test
    with pytest.raises((AssertionError, msgspec.ValidationError)):
        await test(FaultyHarness(fault))


async def _ignores(layer: SessionLayer, message: ClientMessage) -> str:
    return "msg"


async def _refuses(layer: SessionLayer, message: ClientMessage) -> str:
    raise UnsupportedOperation("anything", "faulty")


CONVERSATION = SessionOptions(kind="conversation")


@pytest.mark.parametrize(
    ("harness", "test"),
    [
        (
            FaultyHarness(images=True),
            lambda harness: SUITE.test_a_flag_means_what_it_says(harness, CONVERSATION, "images"),
        ),
        (
            FaultyHarness(delete=False),
            lambda harness: SUITE.test_a_flag_means_what_it_says(harness, CONVERSATION, "delete"),
        ),
        (
            FaultyHarness(images=False, send=_ignores),
            lambda harness: SUITE.test_a_flag_means_what_it_says(harness, CONVERSATION, "images"),
        ),
        (
            FaultyHarness(send=_refuses),
            lambda harness: SUITE.test_a_flag_means_what_it_says(harness, CONVERSATION, "cancel"),
        ),
        (
            FaultyHarness(mutable_options=frozenset({"voice", "temperature"})),
            lambda harness: SUITE.test_options_can_change_or_not(harness, CONVERSATION, "instructions"),
        ),
        (
            FaultyHarness(options=frozenset()),
            lambda harness: SUITE.test_options_are_those(harness, CONVERSATION, "voice"),
        ),
    ],
)
async def test_a_capability_that_is_not_true_is_noticed(
    harness: FaultyHarness, test: Callable[[LocalHarness], Awaitable[None]]
) -> None:
    await test(LocalHarness())
    with pytest.raises(AssertionError):
        await test(harness)


async def test_a_task_that_is_left_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duologue.testing.conformance.talk._LEAVING_SECONDS", 0.01)
    harness = FaultyHarness(leaks=True)
    with pytest.raises(AssertionError, match="Tasks are left"):
        await SUITE.test_iteration_ends_quietly_when_our_side_closes(harness)
    for task in harness.leaked:
        task.cancel()


async def test_what_a_provider_cannot_do_is_skipped() -> None:
    with pytest.raises(pytest.skip.Exception, match="no deletion"):
        await SUITE.test_an_item_is_deleted(FaultyHarness(delete=False))
