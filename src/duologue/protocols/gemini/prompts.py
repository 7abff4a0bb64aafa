"""What is written to the model, and what makes it answer."""

from __future__ import annotations

from duologue.content import AudioContent
from duologue.errors import UnsupportedOperation
from duologue.items import Item, MessageItem
from duologue.protocols.gemini.client_frames import ClientContent, ClientFrame, RealtimeInput
from duologue.protocols.gemini.content_frames import Content, Part
from duologue.protocols.gemini.contents import write_item
from duologue.protocols.gemini.dialect import GeminiDialect

_SAY = "Say exactly the following, word for word, and nothing before or after it:\n\n"
_GO_ON = "."


class Prompts:
    """Writes items and requests for answers. Pure.

    To add to the conversation interrupts an answer on this wire. What is added while one is given is therefore kept
    until that is over, or until an answer to it is asked for. Models that take no content once they have answered get
    text with the next request.

    Attributes:
        goes_on: The model goes on by itself: it has the results of its calls.
    """

    def __init__(self, dialect: GeminiDialect) -> None:
        self.goes_on = False
        self._dialect = dialect
        self._kept: list[Content] = []
        self._texts: list[str] = []  # for a model that takes no content any more
        self._is_fresh = False  # the model has got something that it did not answer to
        self._has_answered = False
        self._names: dict[str, str] = {}

    def history(self, items: tuple[Item, ...]) -> ClientFrame | None:
        """What the conversation begins with."""
        turns = tuple(self._written(item) for item in items)
        if not turns:
            return None
        # Such a model waits for the end of its history, and does not answer to it.
        complete = self._dialect.family.seeds_in_client_content
        return ClientFrame(client_content=ClientContent(turns=turns, turn_complete=complete))

    def item(self, item: Item, *, is_busy: bool) -> list[ClientFrame]:
        """Add `item` to the conversation.

        Args:
            item: The item.
            is_busy: An answer is being given, or awaited.

        Raises:
            UnsupportedOperation: The model does not take it, or not any more.
        """
        if (self._has_answered or is_busy) and not self._dialect.family.content_after_answers:
            return self._realtime_item(item)
        content = self._written(item)
        self._is_fresh = True
        if is_busy:
            self._kept.append(content)
            return []
        return [ClientFrame(client_content=ClientContent(turns=(content,), turn_complete=False))]

    def _realtime_item(self, item: Item) -> list[ClientFrame]:
        if not isinstance(item, MessageItem) or item.role == "assistant":
            raise self._too_late("adding what is not the user's once the model has answered")
        media: list[ClientFrame] = []
        texts: list[str] = []
        for given, part in zip(item.content, self._written(item).parts, strict=True):
            if part.text is not None:
                texts.append(part.text)
            elif part.inline_data is None:
                raise self._too_late("adding files by their address once the model has answered")
            else:
                blob, is_audio = part.inline_data, isinstance(given, AudioContent)
                shown = RealtimeInput(audio=blob) if is_audio else RealtimeInput(video=blob)
                media.append(ClientFrame(realtime_input=shown))
        self._texts += texts
        return media

    def _too_late(self, operation: str) -> UnsupportedOperation:
        way_out = "Open the session with it in history, or use another model."
        return UnsupportedOperation(operation, self._dialect.provider, way_out)

    def _written(self, item: Item) -> Content:
        return write_item(item, self._names, self._dialect.provider)

    def request(self) -> list[ClientFrame]:
        """Ask for an answer."""
        kept, self._kept = tuple(self._kept), []
        if self._texts:
            text, self._texts = "\n".join(self._texts), []
            return [ClientFrame(realtime_input=RealtimeInput(text=text))]
        if kept or (self._is_fresh and self._dialect.empty_requests):
            return [ClientFrame(client_content=ClientContent(turns=kept, turn_complete=True))]
        return [] if self.goes_on and not self._is_fresh else self._ask(_GO_ON)

    def say(self, text: str) -> list[ClientFrame]:
        """Ask for these very words."""
        return [*self.kept(), *self._ask(_SAY + text)]

    def _ask(self, text: str) -> list[ClientFrame]:
        if self._has_answered and not self._dialect.family.content_after_answers:
            return [ClientFrame(realtime_input=RealtimeInput(text=text))]
        turns = (Content(role="user", parts=(Part(text=text),)),)
        return [ClientFrame(client_content=ClientContent(turns=turns, turn_complete=True))]

    def kept(self) -> list[ClientFrame]:
        """What was added meanwhile: the answer is over."""
        if not self._kept:
            return []
        turns, self._kept = tuple(self._kept), []
        return [ClientFrame(client_content=ClientContent(turns=turns, turn_complete=False))]

    def answered(self) -> None:
        """An answer begins: to all that the model has got."""
        self._has_answered = True
        self.goes_on = False
        self._is_fresh = bool(self._kept)
