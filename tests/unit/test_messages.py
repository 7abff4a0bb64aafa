"""The vocabulary: JSON, equality, what is shown and what is not."""

from __future__ import annotations

import typing
from collections import Counter

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duologue import messages as m
from duologue.formats import PCM16_24K
from duologue.messages.base import ClientMessage, Meta, ServerMessage, set_meta
from duologue.options import SessionOptions
from duologue.tools import McpServerTool
from structs import strategy_of

CLIENT: tuple[type[ClientMessage], ...] = typing.get_args(m.AnyClientMessage)
SERVER: tuple[type[ServerMessage], ...] = typing.get_args(m.AnyServerMessage)
KINDS = (*CLIENT, *SERVER)

few = settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def test_that_the_unions_hold_every_message_class() -> None:
    declared = {value for value in vars(m).values() if isinstance(value, type) and issubclass(value, m.Message)}
    assert declared - {m.Message, m.ClientMessage, m.ServerMessage} == set(KINDS)
    assert {kind.__name__ for kind in KINDS} <= set(m.__all__)


def test_that_every_type_is_unique_and_reads_like_its_class() -> None:
    tags = Counter(kind.__struct_config__.tag for kind in KINDS)
    assert tags.most_common(1)[0][1] == 1
    assert m.McpToolsListed.__struct_config__.tag == "mcp_tools_listed"
    assert m.DtmfReceived(key="1").type == "dtmf_received"


@every_kind
@few
@given(data=st.data())
def test_that_a_message_comes_back_from_json(kind: type[m.Message], data: st.DataObject) -> None:
    message = data.draw(strategy_of(kind))
    text = m.to_json(message)
    read = m.client_from_json if issubclass(kind, ClientMessage) else m.server_from_json
    assert read(text) == message
    assert read(text.decode()) == message
    assert msgspec.json.decode(text)["type"] == message.type


@every_kind
def test_that_a_message_does_not_change_and_its_sequences_are_tuples(kind: type[m.Message]) -> None:
    assert kind.__struct_config__.frozen
    assert "list[" not in str(typing.get_type_hints(kind))


def test_that_a_field_cannot_be_set() -> None:
    with pytest.raises(AttributeError):
        m.ItemDelete(item_id="i").item_id = "j"  # type: ignore[misc]


@every_kind
@few
@given(data=st.data())
def test_that_repr_shows_no_audio_and_no_picture(kind: type[m.Message], data: st.DataObject) -> None:
    message = data.draw(strategy_of(kind))
    shown = repr(message)
    assert shown.startswith(kind.__name__)
    for found in _bytes_in(message):
        assert not found or repr(found)[2:-1] not in shown or len(found) < 4


def _bytes_in(value: object) -> list[bytes]:
    if isinstance(value, bytes):
        return [value]
    if isinstance(value, msgspec.Struct):
        return [found for name in value.__struct_fields__ for found in _bytes_in(getattr(value, name))]
    if isinstance(value, tuple):
        return [found for part in value for found in _bytes_in(part)]
    return []


def test_that_repr_tells_the_size_of_audio() -> None:
    delta = m.OutputAudioDelta(response_id="r", item_id="i", audio=b"\1" * 960, format=PCM16_24K)
    assert "<960 bytes>" in repr(delta)
    item = m.MessageItem(role="user", content=(m.AudioContent(audio=b"\1" * 960), m.ImageContent(data=b"\2" * 70)))
    assert "960 bytes" in repr(m.ItemCreate(item=item))
    assert "70 bytes" in repr(m.ItemCreate(item=item))
    assert repr(m.RawClientMessage(binary=b"\1" * 99)) == "RawClientMessage(binary)"


def test_that_repr_shows_nothing_of_what_the_library_does_not_know() -> None:
    payload = {"type": "input_clip", "clip": "QUJDREVGRw=="}
    item = m.MessageItem(role="user", content=(m.RawContent(data=payload),))
    for message in (
        m.ItemAdded(item=m.RawItem(id="i1", data=payload)),
        m.ItemAdded(item=item),
        m.RawServerMessage(event_type="clip", data=msgspec.Raw(msgspec.json.encode(payload))),
        m.RawClientMessage(data=payload),
    ):
        assert "QUJDREVGRw" not in repr(message)
        assert "clip" in repr(message)


def test_that_secrets_are_in_neither_repr_nor_json() -> None:
    server = McpServerTool(
        server_label="mail",
        server_url="https://mail.example",
        authorization="tok-1234",  # type: ignore[arg-type]
        headers={"X-Key": "key-5678"},  # type: ignore[dict-item]
    )
    for message in (
        m.SessionUpdate(options=SessionOptions(tools=(server,))),
        m.ResponseCreate(tools=(server,)),
        m.SessionCreated(options=SessionOptions(tools=(server,))),
        m.ErrorReported(kind="other", error=m.ErrorDetail(message="x"), cause=m.ResponseCreate(tools=(server,))),
    ):
        for text in (repr(message), m.to_json(message).decode()):
            assert "***" in text
            assert "tok-1234" not in text
            assert "key-5678" not in text


def test_that_equality_and_json_ignore_meta() -> None:
    first, second = (m.OutputTextDelta(response_id="r", item_id="i", text="hi") for _ in range(2))
    set_meta(first, Meta(1, 2, b"{}"))
    assert first == second
    assert hash(first) == hash(second)
    assert m.to_json(first) == m.to_json(second)
    assert "_meta" not in repr(first)
    assert second.meta is None
    assert first.meta is not None
    assert first.meta.sequence == 2


def test_that_the_frame_is_decoded_only_when_read(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    decode = msgspec.json.decode

    def noted(frame: bytes | str) -> object:
        decoded.append(frame)
        return decode(frame)

    monkeypatch.setattr(msgspec.json, "decode", noted)
    message = m.InputAudioCleared()
    assert message.raw_representation is None
    set_meta(message, Meta(1, 2, '{"type": "x", "nested": [1]}'))
    assert decoded == []
    assert message.raw_representation == {"type": "x", "nested": [1]}
    assert len(decoded) == 1


@pytest.mark.parametrize("frame", [b"\xff\xfe", b'"\xff"', b"[" * 100_000, b"", "no json", "\ud800"])
def test_that_a_frame_that_is_no_json_is_given_as_it_is(frame: bytes | str) -> None:
    message = m.InputAudioCleared()
    set_meta(message, Meta(1, 2, frame))
    assert message.raw_representation == frame


@pytest.mark.parametrize(
    "text",
    [b"{}", b'{"type": "nope"}', b"[]", b"", b'{"type": "item_delete"}', b'{"type": "item_delete", "item_id": 1}'],
)
def test_that_other_json_is_refused(text: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        m.client_from_json(text)
    with pytest.raises(msgspec.DecodeError):
        m.server_from_json(text)


def test_that_code_is_no_part_of_json() -> None:
    message = m.SessionUpdate(options=SessionOptions(raw_factory=dict))
    assert m.client_from_json(m.to_json(message)) == m.SessionUpdate(options=SessionOptions())
    with pytest.raises(TypeError, match="complex has no place"):
        m.to_json(m.RawClientMessage(data={"number": 1j}))


def test_that_a_raw_message_decodes_its_frame() -> None:
    assert m.RawServerMessage(event_type="ping", data=msgspec.Raw(b'{"type":"ping"}')).decoded() == {"type": "ping"}
    assert m.RawServerMessage().decoded() is None


@pytest.mark.parametrize(
    ("status", "call_status", "runs"),
    [
        ("completed", "completed", True),
        ("completed", None, True),
        ("completed", "incomplete", False),
        ("completed", "in_progress", False),
        ("cancelled", "completed", False),
        ("incomplete", "completed", False),
        ("failed", "completed", False),
    ],
)
def test_which_calls_a_response_wants_run(status: str, call_status: m.ItemStatus | None, runs: bool) -> None:
    call = m.FunctionCall(id="i", call_id="c", name="f", status=call_status)
    done = m.ResponseDone(response_id="r", status=status, items=(m.MessageItem.assistant("hm"), call))
    assert done.function_calls == ((call,) if runs else ())
    assert done.awaits_tool_results is runs


def test_that_an_approval_is_awaited_too() -> None:
    ask = m.McpApprovalRequest(id="i", server_label="mail", name="send")
    assert m.ResponseDone(response_id="r", status="completed", items=(ask,)).awaits_tool_results
    assert not m.ResponseDone(response_id="r", status="cancelled", items=(ask,)).awaits_tool_results


def test_that_usage_adds_up_and_keeps_what_is_not_told() -> None:
    first = m.Usage(input_tokens=10, input=m.TokenCounts(audio=4), cached=m.TokenCounts(text=1), seconds=0.5)
    second = m.Usage(input_tokens=5, output_tokens=2, input=m.TokenCounts(audio=1, text=2), reasoning_tokens=3)
    assert first + second == m.Usage(
        input_tokens=15,
        output_tokens=2,
        input=m.TokenCounts(audio=5, text=2),
        cached=m.TokenCounts(text=1),
        reasoning_tokens=3,
        seconds=0.5,
    )
    assert m.Usage() + m.Usage() == m.Usage()


def test_the_text_of_an_item() -> None:
    parts = (m.TextContent(text="a"), m.AudioContent(transcript="b"), m.AudioContent(), m.ImageContent(url="http://x"))
    assert m.MessageItem(role="user", content=parts).text == "ab"
    assert m.MessageItem.image(m.ImageContent(data=b"p"), "look").content[0] == m.TextContent(text="look")
    assert m.ImageContent(data=b"png").data_uri() == "data:image/png;base64,cG5n"
    assert m.ImageContent(url="https://x.example/a.png").data_uri() == "https://x.example/a.png"
