"""The life of a response, in the order in which OpenAI's realtime API documents it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Literal

import msgspec

from duologue import messages as m
from duologue.formats import AudioFormat
from duologue.items import ItemStatus
from duologue.messages.base import ServerMessage
from duologue.options import Modality


def new_id(kind: str) -> str:
    """A fresh id such as ``item_3f…``: at most 32 characters."""
    return f"{kind}_{secrets.token_hex(10)}"


class ResponseBuilder:
    """Takes text, audio, calls and an end, and gives the messages that a reader expects, in their order.

    Items open and close by themselves: a message item with its one content part when text or audio comes, a function
    call item with every call. Whatever happens, there is exactly one `ResponseDone`; after it nothing more comes out.
    Pure.

    Args:
        output_audio: The format of the audio; None: the response is text only.
        request: What asked for the response: its metadata and bounds are echoed.
        previous_item_id: The conversation's last item.
        make_id: Makes the ids of items and calls, from ``"item"`` or ``"call"``.

    Attributes:
        open_item_id: The message item that text and audio go to at present.
    """

    def __init__(
        self,
        response_id: str,
        *,
        output_audio: AudioFormat | None,
        request: m.ResponseCreate | None = None,
        conversation_id: str | None = None,
        voice: str | None = None,
        max_output_tokens: int | Literal["unlimited"] | None = None,
        previous_item_id: str | None = None,
        make_id: Callable[[str], str] = new_id,
    ) -> None:
        request = request or m.ResponseCreate()
        modalities: tuple[Modality, ...] = ("text",) if output_audio is None else ("audio",)
        self.response_id = response_id
        self.out_of_band = request.out_of_band
        self._format = output_audio
        self._text_delta = m.OutputTextDelta if output_audio is None else m.OutputTranscriptDelta
        self._make_id = make_id
        self._previous_item_id = previous_item_id
        self._created = m.ResponseCreated(
            response_id=response_id,
            conversation_id=None if request.out_of_band else conversation_id,
            out_of_band=request.out_of_band,
            output_modalities=modalities,
            output_audio=output_audio,
            voice=voice,
            max_output_tokens=max_output_tokens,
            metadata=request.metadata,
        )
        self._items: list[m.Item] = []
        self.open_item_id: str | None = None
        self._text: list[str] = []
        self._done = False

    @property
    def items(self) -> tuple[m.Item, ...]:
        """The items that are done."""
        return tuple(self._items)

    @property
    def is_done(self) -> bool:
        """Whether `ResponseDone` is out."""
        return self._done

    def start(self) -> list[ServerMessage]:
        """The response begins."""
        return [self._created]

    def text(self, text: str) -> list[ServerMessage]:
        """More words: of the transcript if the response speaks, else of the text."""
        if self._done or not text:
            return []
        return [*self._open_message(), self.more_text(text)]

    def audio(self, audio: bytes) -> list[ServerMessage]:
        """More audio, in the response's format.

        Raises:
            ValueError: The response is text only.
        """
        if self._done or not audio:
            return []
        if self._format is None:
            raise ValueError("A text response has no audio.")
        return [*self._open_message(), self.more_audio(audio)]

    def more_text(self, text: str) -> ServerMessage:
        """`text` for a message item that is open already, which the caller has seen to."""
        self._text.append(text)
        item_id, index = self.open_item_id or "", len(self._items)
        return self._text_delta(response_id=self.response_id, item_id=item_id, output_index=index, text=text)

    def more_audio(self, audio: bytes) -> ServerMessage:
        """`audio` for a message item that is open already, of a response that speaks."""
        item_id, index, format = self.open_item_id or "", len(self._items), self._format
        assert format is not None
        return m.OutputAudioDelta(
            response_id=self.response_id, item_id=item_id, output_index=index, audio=audio, format=format
        )

    def reasoning(self, text: str) -> list[ServerMessage]:
        """More of the model's thoughts."""
        if self._done or not text:
            return []
        out = self._open_message()
        out.append(
            m.ReasoningDelta(response_id=self.response_id, item_id=self._item(), output_index=self._index(), text=text)
        )
        return out

    def function_call(
        self, name: str, arguments: str, call_id: str | None = None, *, reasoning: str = ""
    ) -> list[ServerMessage]:
        """A whole function call, with the thoughts that led to it."""
        if self._done:
            return []
        out = self._close_message("completed")
        call = m.FunctionCall(
            id=self._make_id("item"),
            status="in_progress",
            call_id=call_id or self._make_id("call"),
            name=name,
        )
        where = {"response_id": self.response_id, "item_id": call.id or "", "output_index": self._index()}
        out += self._item_added(call)
        if reasoning:
            out.append(m.ReasoningDelta(**where, text=reasoning))  # type: ignore[arg-type]
        if arguments:
            out.append(m.FunctionArgumentsDelta(**where, call_id=call.call_id, text=arguments))  # type: ignore[arg-type]
        out.append(
            m.FunctionArgumentsDone(**where, call_id=call.call_id, name=name, arguments=arguments)  # type: ignore[arg-type]
        )
        out += self._item_done(msgspec.structs.replace(call, status="completed", arguments=arguments))
        return out

    def finish_message(self) -> list[ServerMessage]:
        """The message item is whole; what comes goes into another."""
        return [] if self._done else self._close_message("completed")

    def end(
        self,
        status: m.ResponseStatus = "completed",
        *,
        reason: str | None = None,
        error: m.ErrorDetail | None = None,
        usage: m.Usage | None = None,
    ) -> list[ServerMessage]:
        """The response is over; what is open is closed, as incomplete unless the response is complete."""
        if self._done:
            return []
        out = self._close_message("completed" if status == "completed" else "incomplete")
        self._done = True
        state = {name: getattr(self._created, name) for name in self._created.__struct_fields__}
        state["turn_id"] = None  # whoever is further up may have put its own onto the message
        state.update(status=status, reason=reason, error=error, usage=usage, items=tuple(self._items))
        return [*out, m.ResponseDone(**state)]

    # --- items ---

    def _open_message(self) -> list[ServerMessage]:
        if self.open_item_id is not None:
            return []
        self.open_item_id = self._make_id("item")
        self._text = []
        item = m.MessageItem(id=self.open_item_id, status="in_progress", role="assistant")
        return [
            *self._item_added(item),
            m.ContentPartAdded(
                response_id=self.response_id,
                item_id=self.open_item_id,
                output_index=self._index(),
                part=self._part(""),
            ),
        ]

    def _close_message(self, status: ItemStatus) -> list[ServerMessage]:
        if self.open_item_id is None:
            return []
        text = "".join(self._text)
        where = {"response_id": self.response_id, "item_id": self.open_item_id, "output_index": self._index()}
        out: list[ServerMessage] = []
        if self._format is None:
            out.append(m.OutputTextDone(**where, text=text))  # type: ignore[arg-type]
        else:
            out.append(m.OutputAudioDone(**where))  # type: ignore[arg-type]
            out.append(m.OutputTranscriptDone(**where, text=text))  # type: ignore[arg-type]
        out.append(m.ContentPartDone(**where, part=self._part(text)))  # type: ignore[arg-type]
        item = m.MessageItem(id=self.open_item_id, status=status, role="assistant", content=(self._part(text),))
        self.open_item_id = None
        return [*out, *self._item_done(item)]

    def _part(self, text: str) -> m.Content:
        if self._format is None:
            return m.TextContent(text=text)
        return m.AudioContent(transcript=text, format=self._format)

    def _item_added(self, item: m.Item) -> list[ServerMessage]:
        out: list[ServerMessage] = [
            m.OutputItemAdded(response_id=self.response_id, output_index=self._index(), item=item)
        ]
        if not self.out_of_band:
            out.append(m.ItemAdded(item=item, previous_item_id=self._previous_item_id))
        return out

    def _item_done(self, item: m.Item) -> list[ServerMessage]:
        out: list[ServerMessage] = []
        if not self.out_of_band:
            out.append(m.ItemDone(item=item, previous_item_id=self._previous_item_id))
            self._previous_item_id = item.id
        out.append(m.OutputItemDone(response_id=self.response_id, output_index=self._index(), item=item))
        self._items.append(item)
        return out

    def _item(self) -> str:
        assert self.open_item_id is not None
        return self.open_item_id

    def _index(self) -> int:
        return len(self._items)
