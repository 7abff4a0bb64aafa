"""The emulator, as those use it who test their applications."""

from __future__ import annotations

import asyncio
import json
import ssl
import urllib.request
from collections.abc import Callable

import pytest
import trustme

from duologue import messages as m
from duologue.errors import ConnectRefused
from duologue.middleware import FunctionInvocation
from duologue.options import SessionOptions
from duologue.protocols.openai import QWEN
from duologue.providers.compatible import OpenAICompatibleRealtimeClient
from duologue.providers.connection import ConnectionSettings
from duologue.providers.openai import OpenAIRealtimeClient
from duologue.runtime import ProtocolLink
from duologue.session import RealtimeSession
from duologue.speech.responder import CallRequested, ResponderRequest
from duologue.testing import OpenAIEmulator
from duologue.testing.emulation import Reply
from duologue.tools import tool

ONCE = ConnectionSettings(attempts=1, open_timeout=2.0)


def client_of(
    emulator: OpenAIEmulator, key: str = "key", connection: ConnectionSettings = ONCE
) -> OpenAIRealtimeClient:
    return OpenAIRealtimeClient("model", base_url=emulator.url, api_key=key, connection=connection)


async def ask(session: RealtimeSession, text: str = "Hello?") -> m.ResponseDone:
    await session.send_text(text)
    async with asyncio.timeout(10):
        while not isinstance(message := await anext(session), m.ResponseDone):
            pass
    return message


def said(done: m.ResponseDone) -> str:
    return "".join(item.text for item in done.items if isinstance(item, m.MessageItem))


# --- what it answers ---


async def test_that_replies_are_given_in_order_and_anew_in_every_session() -> None:
    async with OpenAIEmulator(["One.", "Two."]) as emulator, client_of(emulator) as client:
        for _ in range(2):
            async with client.create_session() as session:
                assert [said(await ask(session)) for _ in range(2)] == ["One.", "Two."]


async def test_that_without_a_reply_the_response_fails() -> None:
    async with OpenAIEmulator([]) as emulator, client_of(emulator) as client, client.create_session() as session:
        done = await ask(session)
        assert done.status == "failed"
        assert done.error is not None
        assert "more answers than it has replies" in done.error.message


async def test_that_it_repeats_what_it_is_told() -> None:
    async with OpenAIEmulator() as emulator, client_of(emulator) as client, client.create_session() as session:
        assert said(await ask(session, "Good morning")) == "You said: Good morning"


async def test_that_a_function_can_answer_and_call() -> None:
    def reply(request: ResponderRequest) -> Reply:
        last = request.items[-1]
        if isinstance(last, m.FunctionResult):
            return f"It is {last.output}."
        return ["Let me see. ", CallRequested("double", '{"number": 21}')]

    @tool
    def double(number: int) -> int:
        """Twice the number."""
        return 2 * number

    async with OpenAIEmulator(reply) as emulator, client_of(emulator) as client:
        talking = client.with_middleware(FunctionInvocation())
        async with talking.create_session(SessionOptions(tools=(double,))) as session:
            assert (await ask(session)).awaits_tool_results
            async with asyncio.timeout(10):
                while not isinstance(message := await anext(session), m.ResponseDone):
                    pass
            assert said(message) == "It is 42."


# --- what it notes and says ---


async def test_that_it_notes_what_goes_over_the_wire() -> None:
    async with OpenAIEmulator(["Hi."]) as emulator, client_of(emulator) as client:
        async with client.create_session(SessionOptions(instructions="Be brief.")) as session:
            await ask(session)
            assert emulator.requests[0].query == {"model": "model"}
            assert emulator.requests[0].headers["authorization"] == "Bearer key"
            [update] = emulator.session.received_of("session.update")
            assert update["session"]["instructions"] == "Be brief."
            await emulator.session.wait_received("response.create")
            assert emulator.session.sent[0]["type"] == "session.created"
        closed = await emulator.session.wait_closed()
        assert (closed.by_peer, closed.code) == (True, 1000)
        with pytest.raises(ConnectionError, match="gone after 1 of 2"):
            await emulator.session.wait_received("response.create", 2)


async def test_that_a_test_can_have_it_say_anything() -> None:
    async with OpenAIEmulator() as emulator, client_of(emulator) as client, client.create_session() as session:
        assert isinstance(await anext(session), m.SessionCreated)
        emulator.session.send({"type": "brand.new", "event_id": "e"}, m.InputAudioCleared())
        async with asyncio.timeout(5):
            raw = await anext(session)
            assert isinstance(raw, m.RawServerMessage)
            assert raw.event_type == "brand.new"
            assert isinstance(await anext(session), m.InputAudioCleared)


async def test_that_events_it_does_not_know_are_errors_that_name_them() -> None:
    async with OpenAIEmulator() as emulator, client_of(emulator) as client, client.create_session() as session:
        await session.send(m.RawClientMessage(data={"type": "no.such.event", "event_id": "mine"}))
        async with asyncio.timeout(5):
            while not isinstance(message := await anext(session), m.ErrorReported):
                pass
        assert "no.such.event" in message.error.message
        assert emulator.session.sent[-1]["error"]["event_id"] == "mine"


async def test_that_what_a_dialect_lacks_is_an_error_there() -> None:
    async with OpenAIEmulator(dialect=QWEN) as emulator:
        url = f"{emulator.url}/v1"
        async with OpenAICompatibleRealtimeClient(base_url=url, dialect="qwen", model="model") as client:
            async with client.create_session() as session:
                delete = {"type": "conversation.item.delete", "event_id": "mine", "item_id": "x"}
                await session.send(m.RawClientMessage(data=delete))
                async with asyncio.timeout(5):
                    while not isinstance(message := await anext(session), m.ErrorReported):
                        pass
                assert "does not support" in message.error.message
            assert await emulator.session.wait_received("session.finish")


# --- who may come in ---


async def test_that_a_wrong_key_is_refused() -> None:
    async with OpenAIEmulator(api_key="right") as emulator:
        with pytest.raises(ConnectRefused) as refused:
            await client_of(emulator, "wrong").create_session()
        assert refused.value.code == "invalid_api_key"
        assert not refused.value.retryable
        await (await client_of(emulator, "right").create_session()).aclose()


async def test_that_refusals_can_be_ordered() -> None:
    async with OpenAIEmulator() as emulator:
        emulator.refuse(503, times=2)
        with pytest.raises(ConnectRefused, match="503") as refused:
            await client_of(emulator).create_session()
        assert refused.value.retryable
        waits: list[float] = []

        async def sleep(seconds: float) -> None:
            waits.append(seconds)

        patient = ConnectionSettings(attempts=2, sleep=sleep)
        async with client_of(emulator, connection=patient) as client, client.create_session():
            assert len(waits) == 1
        assert len(emulator.requests) == 3


async def test_that_a_session_can_fail_to_open() -> None:
    async with OpenAIEmulator() as emulator:
        emulator.fail_opening(m.ErrorDetail(message="The model could not be loaded.", code="model_load_error"))
        with pytest.raises(ConnectRefused, match="could not be loaded") as refused:
            await client_of(emulator).create_session()
        assert refused.value.code == "model_load_error"
        await (await client_of(emulator).create_session()).aclose()


async def test_that_an_ephemeral_key_opens_the_session_that_it_was_made_for() -> None:
    async with OpenAIEmulator(api_key="right") as emulator:
        client = OpenAIRealtimeClient("model", base_url=f"{emulator.http_url}/v1", api_key="right")
        secret = await client.create_client_secret(SessionOptions(instructions="Be brief."))
        await client.aclose()
        async with client_of(emulator, secret.value.reveal()) as guest, guest.create_session() as session:
            assert session.options.instructions == "Be brief."


async def test_that_it_speaks_tls() -> None:
    async with OpenAIEmulator(["Hi."], tls=True) as emulator:
        assert emulator.url.startswith("wss://")
        trusting = ConnectionSettings(attempts=1, ssl_context=emulator.client_context)
        async with client_of(emulator, connection=trusting) as client, client.create_session() as session:
            assert said(await ask(session)) == "Hi."


async def test_that_it_speaks_tls_with_a_certificate_of_ones_own() -> None:
    authority = trustme.CA()
    ours, theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(ours)
    authority.configure_trust(theirs)
    trusting = ConnectionSettings(attempts=1, ssl_context=theirs)
    async with OpenAIEmulator(["Hi."], tls=ours) as emulator:
        async with client_of(emulator, connection=trusting) as client, client.create_session() as session:
            assert said(await ask(session)) == "Hi."
        with pytest.raises(LookupError, match="tls=True"):
            _ = emulator.client_context


# --- slow clients ---


async def test_that_a_client_that_does_not_read_stops_it() -> None:
    emulator = OpenAIEmulator(["Number. " * 3_000], lead_ms=1e9)
    async with emulator, client_of(emulator) as client, client.create_session() as session:
        link = session.get_service(ProtocolLink)
        assert link is not None
        link.pause_reading()
        await session.send_text("Count.")
        await emulator.session.wait_received("response.create")
        sent = -1
        while len(emulator.session.sent) != sent:  # 19 MB: more than the sockets hold
            sent = len(emulator.session.sent)
            await asyncio.sleep(0.2)
        assert emulator.session.sent[-1]["type"] == "response.output_audio.delta"
        link.resume_reading()
        async with asyncio.timeout(20):
            while not isinstance(message := await anext(session), m.ResponseDone):
                pass
        assert message.status == "completed"


# --- without an event loop ---


def test_that_it_runs_in_a_thread_of_its_own() -> None:
    with OpenAIEmulator() as emulator:
        request = urllib.request.Request(f"{emulator.http_url}/v1/realtime/client_secrets", data=b"{}", method="POST")
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert json.load(answer)["value"].startswith("ek_")
        with pytest.raises(LookupError, match="No client"):
            _ = emulator.session


def test_the_fixtures(openai_emulator: OpenAIEmulator, make_openai_emulator: Callable[..., OpenAIEmulator]) -> None:
    other = make_openai_emulator(["Hi."])
    assert other.url != openai_emulator.url

    async def converse() -> str:
        async with client_of(other) as client, client.create_session() as session:
            return said(await ask(session))

    assert asyncio.run(converse()) == "Hi."
    assert other.run(other.session.wait_closed()).by_peer


async def test_that_waiting_on_another_loop_works(openai_emulator: OpenAIEmulator) -> None:
    async with client_of(openai_emulator) as client, client.create_session() as session:
        emulated = await openai_emulator.wait_session()
        waiting = asyncio.create_task(emulated.wait_received("response.create"))
        await ask(session)
        assert len(await waiting) == 1
        with pytest.raises(TimeoutError, match=r"waited 0.05 s for 2 response.create"):
            await emulated.wait_received("response.create", 2, timeout=0.05)
    assert (await emulated.wait_closed()).by_peer


async def test_that_ephemeral_keys_expire() -> None:
    async with OpenAIEmulator() as emulator:
        body = json.dumps({"expires_after": {"seconds": -1}}).encode()
        request = urllib.request.Request(f"{emulator.http_url}/v1/realtime/client_secrets", data=body, method="POST")
        answer = await asyncio.to_thread(urllib.request.urlopen, request, timeout=5)
        with answer, pytest.raises(ConnectRefused, match="expired"):
            await client_of(emulator, json.load(answer)["value"]).create_session()


async def test_that_only_one_with_a_thread_can_be_waited_for() -> None:
    async with OpenAIEmulator() as emulator:
        with pytest.raises(RuntimeError, match="await it there"):
            emulator.run(asyncio.sleep(0))
