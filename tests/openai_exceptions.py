"""Messages of OpenAI's wire that arrive as something else, or not at all, and why. All others arrive as they were."""

from __future__ import annotations

from typing import Any, NamedTuple

from duologue import messages as m
from duologue.content import AudioContent, ErrorDetail, ImageContent, Usage
from duologue.formats import PCM16_16K, PCM16_24K
from duologue.items import FunctionResult, McpApprovalRequest, McpApprovalResponse, MessageItem
from duologue.messages.base import Message
from duologue.options import OFF, SessionOptions, Transcription
from duologue.protocols.openai import OPENAI, QWEN, VLLM_TRANSCRIPTION, VOICE_LIVE, XAI, Dialect

NOT_ON_THE_WIRE = {"model", "history", "resume", "unsupported", "extra", "raw_factory"}
"""Options that are no part of a session object: of the connection, of this side, or whatever one likes."""

DERIVED = (m.ItemDone, m.ApprovalRequested, m.OutputAudioDone, m.InputAudioCommitted, m.ItemAdded)
"""What a client makes up from other messages, where a server does not say it."""


class Exceptional(NamedTuple):
    """A message that arrives as something else, or not at all."""

    why: str
    dialect: Dialect
    sent: Message
    arrives: list[Any]
    options: SessionOptions | None = None


_SPOKEN = (AudioContent(transcript="Hi."),)
_CUT = AudioContent(audio=b"\x00\x00", transcript="Hi.")
CLIENT_EXCEPTIONS = [
    Exceptional(
        "what waits, waits on the client's side; the tag is for the protocol",
        OPENAI,
        m.ResponseCreate(id="a", follow_up=True),
        [m.ResponseCreate(id="a", when="now", metadata={"duologue_request": "a"})],
    ),
    Exceptional("it stays on this side", OPENAI, m.OutputAudioPlayed(item_id="i", played_ms=5), []),
    Exceptional(
        "the wire has no beginning of a turn", OPENAI, m.UserTurnStart(), [], SessionOptions(turn_detection=OFF)
    ),
    Exceptional(
        "the end of a turn is a commit and a request",
        OPENAI,
        m.UserTurnEnd(id="a"),
        [
            m.InputAudioCommit(id="a"),
            m.ResponseCreate(id="a_response", when="now", metadata={"duologue_request": "a_response"}),
        ],
        SessionOptions(turn_detection=OFF),
    ),
    Exceptional(
        "the end of a turn alone is a commit",
        OPENAI,
        m.UserTurnEnd(id="a", respond=False),
        [m.InputAudioCommit(id="a")],
        SessionOptions(turn_detection=OFF),
    ),
    Exceptional(
        "where turns are the application's, no segment is open",
        OPENAI,
        m.InputAudioEnd(id="a"),
        [],
        SessionOptions(turn_detection=OFF),
    ),
    Exceptional(
        "a server hears the end of speech in silence alone",
        OPENAI,
        m.InputAudioEnd(id="a"),
        [m.InputAudioAppend(id="a", audio=bytes(48_000))],
    ),
    Exceptional(
        "the format of input is the session's",
        OPENAI,
        m.InputAudioAppend(id="a", audio=b"\x00\x00", format=PCM16_24K),
        [m.InputAudioAppend(id="a", audio=b"\x00\x00")],
    ),
    Exceptional(
        "a result says itself whether it is an error, and its call knows the name",
        OPENAI,
        m.ItemCreate(id="a", item=FunctionResult(call_id="c", output="1", name="f", is_error=True)),
        [m.ItemCreate(id="a", item=FunctionResult(call_id="c", output="1"))],
    ),
    Exceptional(
        "a client cannot put speech into the assistant's mouth: its words are told",
        OPENAI,
        m.ItemCreate(id="a", item=MessageItem(role="assistant", content=(_CUT,))),
        [m.ItemCreate(id="a", item=MessageItem.assistant("Hi."))],
    ),
    Exceptional(
        "speech whose audio is not known any more is told in words",
        OPENAI,
        m.ItemCreate(id="a", item=MessageItem(role="user", content=(*_SPOKEN, AudioContent()))),
        [m.ItemCreate(id="a", item=MessageItem.user("Hi."))],
    ),
    Exceptional(
        "an answer to an approval is an item",
        OPENAI,
        m.ItemCreate(id="a", item=McpApprovalResponse(approval_request_id="r", approve=True)),
        [m.FunctionCallApproval(id="a", approval_id="r", approve=True)],
    ),
    Exceptional(
        "the model and the history are no part of the session object",
        OPENAI,
        m.SessionUpdate(id="a", options=SessionOptions(model="m", history=(MessageItem.user("Hi."),), resume="h")),
        [m.SessionUpdate(id="a", options=SessionOptions(kind="conversation"))],
    ),
    Exceptional(
        "speech always has its transcript",
        OPENAI,
        m.SessionUpdate(id="a", options=SessionOptions(output_modalities=("audio", "text"))),
        [m.SessionUpdate(id="a", options=SessionOptions(kind="conversation", output_modalities=("audio",)))],
    ),
    Exceptional(
        "what goes onto the session as it is arrives as it is",
        OPENAI,
        m.SessionUpdate(id="a", options=SessionOptions(extra={"tracing": "auto"})),
        [m.SessionUpdate(id="a", options=SessionOptions(kind="conversation", extra={"tracing": "auto"}))],
    ),
    Exceptional(
        "a streamed picture is a JPEG and nothing else is said of it",
        QWEN,
        m.InputImageAppend(id="a", image=ImageContent(data=b"x", detail="low")),
        [m.InputImageAppend(id="a", image=ImageContent(data=b"x", media_type="image/jpeg"))],
    ),
    Exceptional(
        "there is one format, and the wire does not name it",
        VLLM_TRANSCRIPTION,
        m.SessionUpdate(
            id="a", options=SessionOptions(model="m", input_audio=PCM16_16K, transcription=Transcription())
        ),
        [m.SessionUpdate(id="a", options=SessionOptions(model="m"))],
    ),
    Exceptional(
        "what is asked for in raw form may be what is known",
        OPENAI,
        m.RawClientMessage(id="a", data={"type": "input_audio_buffer.clear"}),
        [m.InputAudioClear(id="a")],
    ),
    Exceptional(
        "what is asked for in raw form may be what is not known",
        OPENAI,
        m.RawClientMessage(id="a", data={"type": "their.own"}),
        [m.RawClientMessage(id="a", data={"type": "their.own", "event_id": "a"})],
    ),
]


_USER = MessageItem.user("Hi.", id="i")
_WHERE: dict[str, Any] = {"id": "e", "response_id": "r", "item_id": "i"}
SERVER_EXCEPTIONS = [
    Exceptional(
        "an item without a place before it may be the first",
        OPENAI,
        m.ItemDone(id="e", item=_USER, previous_item_id="root"),
        [m.ItemDone(id="e", item=_USER)],
    ),
    Exceptional(
        "null before an item may mean that nothing is known of it",
        XAI,
        m.ItemAdded(id="e", item=m.FunctionCall(id="i", call_id="c", name="f"), previous_item_id="root"),
        [m.ItemAdded(id="e", item=m.FunctionCall(id="i", call_id="c", name="f"))],
    ),
    Exceptional("there is no event for the end of an item", XAI, m.ItemDone(id="e", item=_USER), []),
    Exceptional(
        "where there is none, items of the user are whole when they come",
        XAI,
        m.ItemAdded(id="e", item=_USER),
        [m.ItemAdded(id="e", item=_USER), m.ItemDone(id="e", item=_USER)],
    ),
    Exceptional(
        "an approval is asked for in its item",
        OPENAI,
        m.OutputItemDone(id="e", response_id="r", item=McpApprovalRequest(id="i", server_label="s", name="f")),
        [
            m.OutputItemDone(id="e", response_id="r", item=McpApprovalRequest(id="i", server_label="s", name="f")),
            m.ApprovalRequested(approval_id="i", name="f", arguments="", server_label="s"),
        ],
    ),
    Exceptional(
        "words so far are deltas where a dialect has no snapshots",
        OPENAI,
        m.InputTranscriptDelta(id="e", item_id="i", text="so far", replaces=True),
        [m.InputTranscriptDelta(id="e", item_id="i", text="so far")],
    ),
    Exceptional(
        "words so far are words so far where it has them",
        XAI,
        m.InputTranscriptDelta(id="e", item_id="i", text="so far", replaces=True),
        [m.InputTranscriptDelta(id="e", item_id="i", text="so far", replaces=True)],
    ),
    Exceptional(
        "an engine's confidence has no field, and the usage of a transcription is always told",
        OPENAI,
        m.InputTranscriptCompleted(id="e", item_id="i", text="Hi.", confidence=0.5),
        [
            m.InputTranscriptCompleted(
                id="e", item_id="i", text="Hi.", usage=Usage(input_tokens=0, output_tokens=0, total_tokens=0)
            )
        ],
    ),
    Exceptional(
        "the words that a truncation leaves are not told",
        OPENAI,
        m.ItemTruncated(id="e", item_id="i", audio_end_ms=5, transcript="H"),
        [m.ItemTruncated(id="e", item_id="i", audio_end_ms=5)],
    ),
    Exceptional(
        "audio has its response's format, whatever a delta says",
        OPENAI,
        m.OutputAudioDelta(**_WHERE, audio=b"\x00\x00", format=PCM16_16K),
        [m.OutputAudioDelta(**_WHERE, audio=b"\x00\x00", format=PCM16_24K)],
    ),
    Exceptional(
        "the cause of an error is known by its id alone",
        OPENAI,
        m.ErrorReported(
            id="e",
            kind="invalid_request",
            error=ErrorDetail(message="x", type="t"),
            cause_id="a",
            cause=m.InputAudioClear(),
        ),
        [m.ErrorReported(id="e", kind="other", error=ErrorDetail(message="x", type="t"), cause_id="a")],
    ),
    Exceptional(
        "a warning is told as one where there is an event for it",
        VOICE_LIVE,
        m.ErrorReported(id="e", kind="warning", error=ErrorDetail(message="x", code="c", param="p")),
        [m.ErrorReported(id="e", kind="warning", error=ErrorDetail(message="x", code="c", param="p"))],
    ),
    Exceptional(
        "a warning is told as an error where there is none",
        OPENAI,
        m.ErrorReported(id="e", kind="warning", error=ErrorDetail(message="x")),
        [m.ErrorReported(id="e", kind="invalid_request", error=ErrorDetail(message="x", type="invalid_request_error"))],
    ),
    Exceptional(
        "the format of speech is its response's",
        OPENAI,
        m.ContentPartDone(**_WHERE, part=AudioContent(format=PCM16_16K, transcript="Hi.")),
        [m.ContentPartDone(**_WHERE, part=AudioContent(transcript="Hi."))],
    ),
    Exceptional(
        "a turn is the client's affair",
        OPENAI,
        m.OutputTextDone(**_WHERE, text="x", turn_id="turn_1"),
        [m.OutputTextDone(**_WHERE, text="x")],
    ),
    Exceptional(
        "the greeting repeated is no news",
        OPENAI,
        m.SessionCreated(id="e", options=SessionOptions()),
        [],
    ),
    Exceptional(
        "transcripts are all that is told",
        VLLM_TRANSCRIPTION,
        m.InputSpeechStarted(id="e", item_id="i"),
        [],
    ),
]
