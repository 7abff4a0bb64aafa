"""The gateway's pure parts: terms, hidden calls, limits, keys, ephemeral keys, what suits an upstream."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("starlette")

from duologue import FunctionTool, SessionOptions
from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.errors import ConnectRefused, CutOff, Expired, HungUp, SessionEnded, Stopped, UnsupportedOperation
from duologue.formats import PCMU
from duologue.gateway.adaptation import adapted, adapted_request
from duologue.gateway.client_secrets import ClientSecret, ClientSecrets
from duologue.gateway.ends import SLOW_CLIENT, End, end_of
from duologue.gateway.grants import Grant, Refused
from duologue.gateway.hidden_calls import HiddenCalls
from duologue.gateway.keys import Keys, hashed, is_hash, key_of, new_key
from duologue.gateway.limits import Ledger, LimitReached, Limits
from duologue.gateway.metadata_echo import MetadataEcho
from duologue.gateway.origins import check_origin
from duologue.gateway.pace import Pace
from duologue.gateway.terms import NotAllowed, Terms
from duologue.gateway.wire import BETA, GA, ClientWire, as_clients, asked_dialect
from duologue.options import PromptTemplate, SemanticTurnDetection, ServerTurnDetection, Transcription
from duologue.tools import McpServerTool


def _here(city: str) -> str:
    """Runs on the server."""
    return city


HERE = FunctionTool.from_callable(_here, name="here")
THERE = FunctionTool(name="there")


# --- terms ---


def test_what_changes_nothing_needs_no_permission() -> None:
    terms = Terms(options=SessionOptions(instructions="Be brief.", tools=(HERE,)), client_may=frozenset({"voice"}))
    current = SessionOptions(model="m", kind="conversation", instructions="Be brief.", voice="a", tools=(HERE,))
    asked = SessionOptions(
        model="m", kind="conversation", instructions="Be brief.", voice="b", input_audio=PCMU, tools=()
    )
    checked = terms.check(m.SessionUpdate(options=asked), current)
    assert isinstance(checked, m.SessionUpdate)
    assert checked.options == SessionOptions(voice="b", input_audio=PCMU, tools=(HERE,))


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (m.SessionUpdate(options=SessionOptions(model="other")), "cannot_be_changed"),
        (m.SessionUpdate(options=SessionOptions(kind="transcription")), "cannot_be_changed"),
        (m.SessionUpdate(options=SessionOptions(instructions="Mine.")), "not_allowed"),
        (m.SessionUpdate(options=SessionOptions(tools=(THERE,))), "not_allowed"),
        (m.ResponseCreate(instructions="Mine."), "not_allowed"),
        (m.ResponseCreate(tools=(THERE,)), "not_allowed"),
        (m.ResponseCreate(items=(m.MessageItem.system("Obey."),)), "not_allowed"),
        (m.ItemCreate(item=m.MessageItem.system("Obey.")), "not_allowed"),
        (m.Say(text="Nonsense."), "not_allowed"),
        (m.RawClientMessage(data={"type": "x"}), "invalid_value"),
        (
            m.ItemCreate(item=m.MessageItem.image(m.ImageContent(url="https://example.org/a.png"))),
            "address_not_allowed",
        ),
    ],
)
def test_what_a_client_may_not_do(message: m.ClientMessage, code: str) -> None:
    current = SessionOptions(model="m", kind="conversation", instructions="Ours.")
    with pytest.raises(NotAllowed) as info:
        Terms(client_may=frozenset({"voice"})).check(message, current)
    assert info.value.code == code


@pytest.mark.parametrize(
    ("listed", "url", "allowed"),
    [
        ("files.example", "https://files.example/mcp", True),
        ("files.example", "https://files.example.evil/mcp", False),
        ("files.example", "http://files.example/mcp", False),
        ("*", "https://anything.example/mcp", True),
    ],
)
def test_addresses_go_by_a_list(listed: str, url: str, allowed: bool) -> None:
    terms = Terms(mcp_servers=frozenset({listed}))
    update = m.SessionUpdate(options=SessionOptions(tools=(McpServerTool(server_label="s", server_url=url),)))
    if allowed:
        assert terms.check(update, SessionOptions())
    else:
        with pytest.raises(NotAllowed):
            terms.check(update, SessionOptions())


def test_what_is_not_the_clients_to_change_it_does_not_get_to_know() -> None:
    options = SessionOptions(instructions="Secret.", tools=(HERE, THERE), extra={"a": 1})
    assert Terms().told(options) == SessionOptions(instructions="Secret.", tools=(THERE,))
    assert Terms(client_may=frozenset()).told(options) == SessionOptions(tools=(THERE,))
    assert Terms(hide_server_tools=False).told(options).tools == (HERE, THERE)


# --- calls that run on the server ---


def _call(name: str, number: int) -> m.FunctionCall:
    return m.FunctionCall(id=f"item_{number}", call_id=f"call_{number}", name=name, status="completed")


def test_hidden_calls_leave_no_trace() -> None:
    hidden = HiddenCalls({"here"}.__contains__)
    ours, theirs = _call("here", 1), _call("there", 2)
    result = m.FunctionResult(id="item_3", call_id="call_1", output="{}")
    said = m.MessageItem.assistant("Done.", id="item_4")
    messages: list[m.ServerMessage] = [
        m.OutputItemAdded(response_id="r", item=ours),
        m.ItemAdded(item=ours, previous_item_id="item_0"),
        m.FunctionArgumentsDelta(response_id="r", item_id="item_1", call_id="call_1", text="{}"),
        m.FunctionArgumentsDone(response_id="r", item_id="item_1", call_id="call_1", arguments="{}"),
        m.OutputItemDone(response_id="r", item=ours),
        m.OutputItemDone(response_id="r", item=theirs),
        m.ResponseDone(response_id="r", status="completed", items=(ours, theirs)),
        m.ItemAdded(item=result, previous_item_id="item_1"),
        m.ItemAdded(item=said, previous_item_id="item_3"),
        m.ItemDeleted(item_id="item_3"),
    ]
    shown = [made for message in messages if (made := hidden.shown(message)) is not None]
    assert shown == [
        m.OutputItemDone(response_id="r", item=theirs),
        m.ResponseDone(response_id="r", status="completed", items=(theirs,)),
        m.ItemAdded(item=said, previous_item_id="item_0"),
    ]
    assert hidden.is_hidden_call("call_1")
    assert not hidden.is_hidden_call("call_2")
    assert hidden.is_hidden_item("item_3")


# --- limits ---


def test_sessions_are_counted_by_name_and_together() -> None:
    ledger = Ledger(most_sessions=3)
    two = Limits(sessions=2)
    ledger.open("a", two, 0)
    ledger.open("a", two, 0)
    with pytest.raises(LimitReached) as info:
        ledger.open("a", two, 0)
    assert info.value.code == "too_many_sessions"
    ledger.open("b", two, 0)
    with pytest.raises(LimitReached) as info:
        ledger.open("c", Limits(), 0)
    assert info.value.code == "server_full"
    ledger.close("a")
    ledger.open("a", two, 0)
    assert ledger.sessions == 3


def test_new_sessions_a_minute() -> None:
    ledger = Ledger()
    limits = Limits(sessions_a_minute=2)
    for _ in range(2):
        ledger.open("a", limits, 100.0)
        ledger.close("a")
    with pytest.raises(LimitReached, match="too fast"):
        ledger.open("a", limits, 100.0)
    ledger.open("a", limits, 130.0)


def test_audio_comes_back_over_a_day() -> None:
    ledger = Ledger()
    limits = Limits(audio_seconds=100)
    ledger.open("a", limits, 0.0)
    assert ledger.charge("a", 60, 0.0)
    assert not ledger.charge("a", 60, 0.0)
    ledger.close("a")
    with pytest.raises(LimitReached) as info:
        ledger.open("a", limits, 0.0)
    assert info.value.code == "audio_limit_reached"
    assert info.value.retry_after == pytest.approx(20 * 864)
    ledger.open("a", limits, 21 * 864.0)


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 5)), max_size=30))
def test_a_bucket_never_gives_more_than_it_got(steps: list[tuple[float, float]]) -> None:
    pace, now, taken = Pace(2.0, 10.0), 0.0, 0.0
    for passed, amount in steps:
        now += passed
        wait = pace.take(amount, now)
        taken += amount
        now += wait
        assert taken <= 10.0 + 2.0 * now + 1e-6


# --- keys ---


def _scope(*headers: tuple[str, str], subprotocols: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"headers": [(name.encode(), value.encode()) for name, value in headers], "subprotocols": subprotocols}


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        (_scope(("Authorization", "Bearer abc")), "abc"),
        (_scope(("authorization", "bearer  abc ")), "abc"),
        (_scope(("authorization", "Basic abc")), None),
        (_scope(("api-key", "abc")), "abc"),
        (_scope(subprotocols=("realtime", "openai-insecure-api-key.abc")), "abc"),
        (_scope(subprotocols=("openai-insecure-api-key.",)), None),
        (_scope(), None),
    ],
)
def test_where_a_key_may_stand(scope: dict[str, Any], key: str | None) -> None:
    assert key_of(scope) == key


async def test_only_known_keys_are_let_in() -> None:
    key = new_key()
    assert is_hash(hashed(key))
    assert key not in hashed(key)
    keys = Keys({hashed(key): Grant(who="a"), hashed("other"): Grant(who="b")})
    assert (await keys(_scope(("api-key", key)))).who == "a"
    for wrong in (_scope(("api-key", key[:-1])), _scope(("api-key", hashed(key))), _scope()):
        with pytest.raises(Refused):
            await keys(wrong)


def test_ephemeral_keys_expire() -> None:
    now = [1_000.0]
    secrets = ClientSecrets(lambda: now[0])
    secret = ClientSecret(grant=Grant(who="a"), model="m", expires_at=1_060)
    value = secrets.make(secret)
    assert secrets.find(value) is secret
    assert secrets.find("ek_other") is None
    assert secrets.find(None) is None
    now[0] = 1_060.0
    assert secrets.find(value) is None


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"host": "here:1"}, None),
        ({"host": "here:1", "origin": "http://here:1"}, None),
        ({"host": "here:1", "origin": "https://app.example"}, None),
        ({"host": "here:1", "origin": "https://evil.example"}, "origin_not_allowed"),
        ({"host": "here:1", "origin": "null"}, "origin_not_allowed"),
        ({"host": "evil.example", "origin": "http://evil.example"}, "host_not_allowed"),
    ],
)
def test_origins(headers: dict[str, str], code: str | None) -> None:
    if code is None:
        check_origin(headers, {"https://app.example"}, {"here"})
        return
    with pytest.raises(Refused) as info:
        check_origin(headers, {"https://app.example"}, {"here"})
    assert info.value.code == code


# --- the wire ---


@pytest.mark.parametrize(
    ("headers", "subprotocols", "dialect"),
    [
        ({}, (), None),
        ({"openai-beta": "realtime=v1"}, (), BETA),
        ({}, ("realtime", "openai-beta.realtime-v1"), BETA),
    ],
)
def test_which_dialect_a_handshake_asks_for(
    headers: dict[str, str], subprotocols: tuple[str, ...], dialect: Any
) -> None:
    assert asked_dialect(headers, subprotocols) is dialect


def test_only_the_first_event_tells_the_dialect() -> None:
    retired = b'{"type":"session.update","session":{"modalities":["text"]}}'
    wire = ClientWire(None)
    messages, answers = wire.read(retired)
    assert (len(messages), answers, wire.dialect) == (1, [], BETA)
    wire = ClientWire(None)
    wire.read(b'{"type":"response.create"}')
    _, answers = wire.read(retired)
    assert (len(answers), wire.dialect) == (1, GA)


def test_ids_of_the_upstream_are_not_taken_for_the_clients() -> None:
    (message,), _ = ClientWire(GA).read(b'{"type":"response.cancel","event_id":"msg_1"}')
    assert message.id != "msg_1"
    error = m.ErrorDetail(message="No.")
    own = as_clients(m.ErrorReported(kind="other", error=error, cause_id=message.id, cause=m.ResponseCancel()))
    assert (own.cause_id, own.cause) == ("msg_1", None)
    assert as_clients(m.ErrorReported(kind="other", error=error, cause_id="msg_1")).cause_id is None


def test_metadata_is_given_back() -> None:
    echo = MetadataEcho()
    assert echo.taken_from(m.ResponseCreate(id="1", metadata={"a": "1"})).metadata is None
    echo.taken_from(m.ResponseCreate(id="2", metadata={"a": "2"}))
    echo.refused("1")
    assert echo.created(m.ResponseCreated(response_id="r")).metadata == {"a": "2"}
    assert echo.created(m.ResponseCreated(response_id="s")).metadata is None
    assert echo.done(m.ResponseDone(response_id="r", status="completed")).metadata == {"a": "2"}
    assert echo.done(m.ResponseDone(response_id="s", status="completed")).metadata is None


# --- what suits an upstream ---


def test_preferences_that_an_upstream_has_not_are_dropped() -> None:
    can = Capabilities(options=frozenset({"turn_detection"}), turn_detections=frozenset({"server"}))
    asked = SessionOptions(voice="v", turn_detection=SemanticTurnDetection(eagerness="low", create_response=False))
    taken, dropped = adapted(asked, can, "p", {})
    assert taken == SessionOptions(turn_detection=ServerTurnDetection(create_response=False))
    assert set(dropped) == {"voice", "turn_detection.eagerness"}
    with pytest.raises(UnsupportedOperation):
        adapted(SessionOptions(instructions="Be brief."), can, "p", {})


def test_habits_are_ignored() -> None:
    ignores: dict[str, tuple[str, ...]] = {"voice": ("alloy",), "transcription.model": ()}
    asked = SessionOptions(voice="alloy", transcription=Transcription(model="m", language="en"))
    taken, dropped = adapted(asked, Capabilities(input_transcripts="on request"), "p", ignores)
    assert taken == SessionOptions(transcription=Transcription(language="en"))
    assert set(dropped) == {"voice", "transcription.model"}
    assert adapted_request(m.ResponseCreate(voice="alloy"), ignores).voice is None
    assert adapted_request(m.ResponseCreate(voice="mine"), ignores).voice == "mine"


# --- ends ---


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        (ConnectRefused("key sk-secret refused"), 1011),
        (Expired("x"), 1001),
        (Stopped("x", code="total_tokens"), 1008),
        (HungUp("x"), 1011),
        (CutOff("x"), 1011),
    ],
)
def test_every_end_has_a_code_and_a_reason_of_ours(cause: SessionEnded, code: int) -> None:
    end = end_of(cause)
    assert end.close_code == code
    assert end.close_reason
    assert end.error is not None
    assert "sk-secret" not in end.text


def test_a_reason_fits_into_a_close_frame() -> None:
    assert len(End("x", "ä" * 100).close_reason.encode()) <= 123
    assert SLOW_CLIENT.error is None


def test_a_stored_prompt_names_no_address_either() -> None:
    picture = {"face": {"type": "input_image", "image_url": "https://example.org/a.png"}}
    for message in (
        m.SessionUpdate(options=SessionOptions(prompt=PromptTemplate(id="p", variables=picture))),
        m.ResponseCreate(prompt=PromptTemplate(id="p", variables=picture)),
    ):
        with pytest.raises(NotAllowed):
            Terms().check(message, SessionOptions())
    words = m.ResponseCreate(prompt=PromptTemplate(id="p", variables={"name": "Ada"}))
    assert Terms().check(words, SessionOptions()) == words
