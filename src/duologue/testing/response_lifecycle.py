"""Is one response in the documented order?"""

from __future__ import annotations

from duologue import messages as m
from duologue.messages.base import ServerMessage


def require(holds: bool, rule: str) -> None:
    """Raise `AssertionError` with `rule`, unless it holds. (Assert statements go where Python optimises.)"""
    if not holds:
        raise AssertionError(rule)


class ResponseLifecycle:
    """Follows one response, from after its `ResponseCreated` to its `ResponseDone`.

    Args:
        created: How it began.
    """

    def __init__(self, created: m.ResponseCreated) -> None:
        self.out_of_band = created.out_of_band
        self._created = created
        self._done_items: list[m.Item] = []
        self._open: _OpenItem | None = None
        self._untold = ""

    def feed(self, message: ServerMessage) -> None:
        """Take the next message of the response; raises `AssertionError` when it is out of order."""
        match message:
            case m.OutputItemAdded(item=item, output_index=index):
                require(self._open is None, "An item opens when the one before it is done.")
                require(index == len(self._done_items), f"This is output number {len(self._done_items)}.")
                require(bool(item.id), "Every item has an id.")
                self._open = _OpenItem(item)
            case m.OutputItemDone(item=item):
                self._item(item.id).close(item)
                self._untold += self._item(item.id).untold
                self._done_items.append(item)
                self._open = None
            case m.ResponseDone():
                self._done(message)
            case _:
                open_item = self._item(getattr(message, "item_id", None))
                number = getattr(message, "output_index", None)
                require(number == len(self._done_items), f"The open item is output number {len(self._done_items)}.")
                if isinstance(message, m.OutputAudioDelta):
                    self._check_format(message)
                open_item.feed(message)

    def _item(self, item_id: str | None) -> _OpenItem:
        require(self._open is not None and self._open.id == item_id, f"Item {item_id} is not open.")
        assert self._open is not None
        return self._open

    def _check_format(self, delta: m.OutputAudioDelta) -> None:
        promised = self._created.output_audio
        require(promised is None or delta.format == promised, f"The response promised {promised}.")
        require(bool(delta.audio), "A delta holds audio.")

    def _done(self, done: m.ResponseDone) -> None:
        require(self._open is None, "The last item is done before its response.")
        require(done.status != "in_progress", "A response that is done is not in progress.")
        require(done.out_of_band == self.out_of_band, "A response is out of band from beginning to end.")
        require((done.error is not None) <= (done.status == "failed"), "Only a response that failed has an error.")
        require(done.status == "cancelled" or not self._untold, f"No delta has said {self._untold!r}.")
        ids = [item.id for item in self._done_items]
        require([item.id for item in done.items] == ids, f"It has announced the items {ids}.")
        require(done.metadata == self._created.metadata, "Metadata comes back as it was.")


class _OpenItem:
    """One item of a response, while it grows."""

    def __init__(self, item: m.Item) -> None:
        self.id = item.id
        self._item = item
        self._part: _OpenPart | None = None
        self._parts: list[m.Content] = []
        self._arguments = ""
        self._whole_arguments: str | None = None
        self.untold = ""

    def feed(self, message: ServerMessage) -> None:
        match message:
            case m.FunctionArgumentsDelta(text=text):
                require(isinstance(self._item, m.FunctionCall), "Only a function call has arguments.")
                require(self._whole_arguments is None, "The arguments are whole already.")
                self._arguments += text
            case m.FunctionArgumentsDone(arguments=arguments):
                require(isinstance(self._item, m.FunctionCall), "Only a function call has arguments.")
                require(self._whole_arguments is None, "The arguments are whole once.")
                require(self._arguments in ("", arguments), "The arguments are what their deltas make.")
                self._whole_arguments = arguments
            case m.ContentPartAdded(part=part, content_index=index):
                require(self._part is None, "A part opens when the one before it is done.")
                require(index == len(self._parts), f"This is part number {len(self._parts)}.")
                self._part = _OpenPart(part)
            case m.ContentPartDone(part=part):
                self._open_part(message).close(part)
                self.untold += self._open_part(message).untold
                self._parts.append(part)
                self._part = None
            case m.ReasoningDelta():
                pass  # thoughts are no part of the answer
            case _:
                self._open_part(message).feed(message)

    def close(self, item: m.Item) -> None:
        """The item is done, as `item`."""
        require(type(item) is type(self._item), "An item does not change its kind.")
        require(self._part is None, "The last part is done before its item.")
        require(item.status != "in_progress", "An item that is done is not in progress.")
        if isinstance(item, m.FunctionCall):
            require(bool(item.call_id and item.name), "A call has an id and a name.")
            require(self._whole_arguments == item.arguments, "The arguments are what was announced.")
        elif isinstance(item, m.MessageItem):
            require(item.role == "assistant", "A response speaks for the assistant.")
            require(_words(item.content) == _words(tuple(self._parts)), "An item says what its parts say.")

    def _open_part(self, message: ServerMessage) -> _OpenPart:
        require(self._part is not None, "There is no open part.")
        require(getattr(message, "content_index", None) == len(self._parts), "Another part is open.")
        assert self._part is not None
        return self._part


class _OpenPart:
    """One part of a message, while it grows."""

    def __init__(self, part: m.Content) -> None:
        self._is_text = isinstance(part, m.TextContent)
        self.untold = ""  # words that no delta has said: those of a cancelled response may be held back
        self._words = ""
        self._words_over = False
        self._has_audio = False
        self._audio_over = False

    def feed(self, message: ServerMessage) -> None:
        match message:
            case m.OutputTextDelta(text=text) | m.OutputTranscriptDelta(text=text):
                require(self._is_text == isinstance(message, m.OutputTextDelta), "Words are of the kind of their part.")
                require(not self._words_over, "The words are whole already.")
                self._words += text
            case m.OutputTextDone(text=text) | m.OutputTranscriptDone(text=text):
                require(not self._words_over, "The words are whole once.")
                require(text.startswith(self._words), f"Deltas have said {self._words!r}.")
                self.untold = self.untold or text[len(self._words) :]
                self._words = text
                self._words_over = True
            case m.OutputAudioDelta():
                require(not self._is_text, "A text part has no audio.")
                require(not self._audio_over, "The audio is whole already.")
                self._has_audio = True
            case m.OutputAudioDone():
                require(not self._audio_over, "The audio is whole once.")
                self._audio_over = True
            case _:
                require(False, "This belongs to no part.")

    def close(self, part: m.Content) -> None:
        """The part is done, as `part`."""
        require(isinstance(part, m.TextContent) == self._is_text, "A part does not change its kind.")
        require(self._words_over or not self._words, "The words are whole before their part is done.")
        require(self._audio_over or not self._has_audio, "The audio is whole before its part is done.")
        require(_words((part,)) == self._words, f"Deltas have said {self._words!r}.")


def _words(content: tuple[m.Content, ...]) -> str:
    return m.MessageItem(role="assistant", content=content).text
