"""The verbs of a session, written once over `send`, for the asynchronous and the blocking skin alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from duologue import messages as m
from duologue.errors import InvalidInput
from duologue.formats import AudioFormat
from duologue.options import SessionOptions

Sent = TypeVar("Sent", covariant=True)


class Verbs(ABC, Generic[Sent]):
    """What applications do with a session. `Sent` is what sending gives back: an awaitable, or a str without async."""

    @abstractmethod
    def _submit(self, *messages: m.ClientMessage) -> Sent:
        """Send the messages in order, all or none, and give back the id of the first."""

    def send_text(self, text: str, *, respond: bool = True) -> Sent:
        """Add something that the user wrote, and ask for an answer unless `respond` is False."""
        item = m.ItemCreate(item=m.MessageItem.user(text))
        return self._submit(item, m.ResponseCreate()) if respond else self._submit(item)

    def send_audio(self, audio: bytes, format: AudioFormat | None = None) -> Sent:
        """Stream the user's audio: whole samples in `format`, which is the session's input format when left out."""
        return self._submit(m.InputAudioAppend(audio=audio, format=format))

    def send_image(
        self,
        data: bytes | None = None,
        *,
        media_type: str = "image/png",
        url: str | None = None,
        text: str = "",
        respond: bool = True,
    ) -> Sent:
        """Show a picture, by its bytes or its address, with or without words.

        Raises:
            InvalidInput: There is no picture, or there are two.
        """
        if (data is None) == (url is None):
            raise InvalidInput("send_image takes a picture's bytes or its url. Nothing was sent.")
        image = m.ImageContent(data=data, media_type=media_type, url=url)
        item = m.ItemCreate(item=m.MessageItem.image(image, text))
        return self._submit(item, m.ResponseCreate()) if respond else self._submit(item)

    def respond(self, request: m.ResponseCreate | None = None) -> Sent:
        """Ask the model to answer, or to speak first in a new conversation."""
        return self._submit(request or m.ResponseCreate())

    def interrupt(self) -> Sent:
        """Stop the answer, even one that has not begun: its generation, and its playback.

        An `Interrupted` follows if anything was unheard.
        """
        return self._submit(m.OutputAudioClear())

    def say(self, text: str) -> Sent:
        """Have the model say exactly this."""
        return self._submit(m.Say(text=text))

    def update(self, options: SessionOptions) -> Sent:
        """Change options of the running session; what is None stays."""
        return self._submit(m.SessionUpdate(options=options))
