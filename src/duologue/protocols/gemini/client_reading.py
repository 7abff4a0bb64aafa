"""What a client's frames mean as client messages: for the server's role."""

from __future__ import annotations

from collections.abc import Iterator

from duologue import messages as m
from duologue.content import ImageContent
from duologue.formats import PCM16_16K
from duologue.messages.base import ClientMessage
from duologue.protocols.base64_text import decode_base64
from duologue.protocols.gemini import client_frames as wire
from duologue.protocols.gemini.content_frames import Blob
from duologue.protocols.gemini.contents import read_audio, read_content, read_result
from duologue.protocols.gemini.dialect import GeminiDialect
from duologue.protocols.gemini.setup_reading import read_setup, read_update


def read_client_frame(frame: wire.ClientFrame, dialect: GeminiDialect) -> list[ClientMessage]:
    """The messages that a frame stands for, in order.

    Raises:
        ValueError: Audio or a picture is no base64.
    """
    messages: list[ClientMessage] = []
    if frame.setup is not None:
        messages.append(m.SessionUpdate(options=read_setup(frame.setup, dialect)))
    if frame.client_content is not None:
        messages += _content(frame.client_content)
    if frame.realtime_input is not None:
        messages += _realtime(frame.realtime_input)
    if frame.tool_response is not None:
        messages += [m.ItemCreate(item=read_result(response)) for response in frame.tool_response.function_responses]
    if frame.context_update is not None:
        messages.append(m.SessionUpdate(options=read_update(frame.context_update, dialect)))
    return messages


def _content(content: wire.ClientContent) -> list[ClientMessage]:
    items = [item for turn in content.turns for item in read_content(turn)]
    answers = [m.ResponseCreate()] if content.turn_complete is not False else []
    return [*(m.ItemCreate(item=item) for item in items), *answers]


def _realtime(given: wire.RealtimeInput) -> Iterator[ClientMessage]:
    if given.activity_start is not None:
        yield m.UserTurnStart()
    for blob in (given.audio, given.video, *(given.media_chunks or ())):
        if blob is not None:
            yield _media(blob)
    if given.text is not None:
        yield m.ItemCreate(item=m.MessageItem.user(given.text))
        yield m.ResponseCreate()
    if given.activity_end is not None:
        yield m.UserTurnEnd()
    if given.audio_stream_end:
        yield m.InputAudioEnd()


def _media(blob: Blob) -> ClientMessage:
    heard = read_audio(blob, PCM16_16K)
    if heard is not None:
        return m.InputAudioAppend(audio=heard[0], format=heard[1])
    image = ImageContent(data=decode_base64(blob.data), media_type=blob.mime_type or "image/jpeg")
    return m.InputImageAppend(image=image)
