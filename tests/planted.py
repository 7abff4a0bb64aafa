"""Messages in which something is planted that must not get out: keys, tokens, audio, pictures."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
from hypothesis import strategies as st

from duologue import messages as m
from duologue.formats import PCM16_24K
from duologue.messages.base import Message
from duologue.options import SessionOptions
from duologue.tools import McpServerTool
from structs import JSON, NAMES

SECRET = "tok-9f3a-planted"
MEDIA = b"planted audio or picture" * 3
ENCODED = base64.b64encode(MEDIA).decode()

_SECRET_NAMES = st.sampled_from(
    ["authorization", "Authorization", "api_key", "api-key", "x-api-key", "apiKey", "client_secret", "clientSecret"]
) | st.sampled_from(["password", "token", "access_token", "cookie", "Set-Cookie", "secret"])
_MEDIA_NAMES = st.sampled_from(["audio", "delta", "data", "image_url", "blob", "anything"])


def _wrapped(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, min_size=1, max_size=2) | st.dictionaries(NAMES, inner, min_size=1, max_size=2)


PLANTED: st.SearchStrategy[dict[str, Any]] = st.dictionaries(NAMES, JSON, max_size=2).flatmap(
    lambda around: st.recursive(
        st.dictionaries(_SECRET_NAMES, st.just(SECRET), min_size=1, max_size=1)
        | st.dictionaries(_MEDIA_NAMES, st.just(ENCODED), min_size=1, max_size=1)
        | st.just({"headers": {"X-Any": SECRET, "list": [SECRET]}})
        | st.just({"client_secret": {"value": SECRET, "expires_at": 1}})
        | st.just({"image_url": f"data:image/png;base64,{ENCODED}"}),
        _wrapped,
        max_leaves=3,
    ).map(lambda hidden: {**around, "planted": hidden})
)


def _server() -> McpServerTool:
    return McpServerTool(
        server_label="mail",
        server_url="https://mail.example/mcp",
        authorization=SECRET,  # type: ignore[arg-type]
        headers={"X-Key": SECRET},  # type: ignore[dict-item]
    )


def _messages(data: dict[str, Any]) -> list[Message]:
    item = m.RawItem(id="i1", data=data)
    content = (
        m.RawContent(data=data),
        m.AudioContent(audio=MEDIA),
        m.ImageContent(data=MEDIA),
        m.ImageContent(url=f"data:image/png;base64,{ENCODED}"),
    )
    options = SessionOptions(tools=(_server(),), extra=data, history=(m.MessageItem(role="user", content=content),))
    request = m.ResponseCreate(extra=data, tools=(_server(),), items=(item,))
    return [
        m.SessionUpdate(options=options),
        m.SessionCreated(options=options),
        request,
        m.ErrorReported(kind="other", error=m.ErrorDetail(message="no"), cause=request),
        m.RawClientMessage(data=data),
        m.RawClientMessage(data=msgspec.json.encode(data).decode()),
        m.RawClientMessage(binary=MEDIA),
        m.RawServerMessage(event_type="new", data=msgspec.Raw(msgspec.json.encode(data))),
        m.RawServerMessage(event_type=None, data=msgspec.Raw(msgspec.json.encode(ENCODED))),
        m.ItemCreate(item=m.MessageItem(role="user", content=content)),
        m.ItemDone(item=item),
        m.InputAudioAppend(audio=MEDIA),
        m.OutputAudioDelta(response_id="r", item_id="i", audio=MEDIA, format=PCM16_24K),
        m.InputImageAppend(image=m.ImageContent(data=MEDIA)),
        m.ContentPartDone(response_id="r", item_id="i", part=content[1]),
    ]


MESSAGES: st.SearchStrategy[Message] = PLANTED.flatmap(lambda data: st.sampled_from(_messages(data)))
"""A message with secrets and media in all its places."""
