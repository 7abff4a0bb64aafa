"""What the model says, as responses: the wire has neither responses nor items, and marks only some of their ends."""

from __future__ import annotations

import enum

from msgspec.structs import replace

from duologue import messages as m
from duologue.content import AudioContent, ErrorDetail, TextContent, Usage
from duologue.formats import PCM16_24K, AudioFormat
from duologue.items import MessageItem
from duologue.lifecycle import ResponseBuilder, new_id
from duologue.messages.base import ServerMessage
from duologue.options import SessionOptions
from duologue.protocols.gemini.server_frames import UsageMetadata
from duologue.protocols.gemini.usage import read_usage, since

_UNSAFE = (
    "SAFETY",
    "PROHIBITED",
    "BLOCKLIST",
    "REJECTED",
    "CELEBRITY",
    "IDENTIFIABLE",
    "MINORS",
    "PROMINENT",
    "UNSAFE",
)
_WHOLE = frozenset({None, "", "TURN_COMPLETE_REASON_UNSPECIFIED", "NEED_MORE_INPUT"})


class Phase(enum.Enum):
    """Where the model's turn stands."""

    IDLE = "idle"
    """No turn of the model's."""
    ANSWERING = "answering"
    """A response is open."""
    GOING_ON = "going on"
    """It has called functions, and says more when it has their results; or at once, if they run in the background."""
    OVER = "over"
    """All was said; the end of the turn is not told yet, for the server waits for the playback."""
    CANCELLED = "cancelled"
    """The application wants to hear no more of it, and the server does not know."""


class Answers:
    """Makes responses of what the model says. Pure.

    A response begins with the first sign of an answer, and ends where the wire says that all is generated, or that it
    was interrupted, or that the turn is over; and with calls of functions, as everywhere else: what follows their
    results is the next response of the turn. Thoughts are told with the item that they lead to. Words that come when
    their response is done are told with their item, as `ItemRetrieved`.

    Attributes:
        phase: Where the model's turn stands.
        builder: The response that is open.
        last_response: The last one that was opened.
        was_stopped: The server was interrupted before it had said anything.
    """

    def __init__(self) -> None:
        self.phase = Phase.IDLE
        self.builder: ResponseBuilder | None = None
        self.last_response: str | None = None
        self.was_stopped = False
        self._format: AudioFormat | None = PCM16_24K
        self._voice: str | None = None
        self._thoughts: list[str] = []
        self._late: MessageItem | None = None  # the last message, as long as words may still come for it
        self._interrupted: str | None = None  # the response that was, last
        self._turn_told = False  # that the turn is over, although the wire has not said so
        self._cancels_next = False
        self._usage: Usage | None = None  # the last snapshot of the turn
        self._usage_is_new = False  # it came with the frame that is being read
        self._reported: Usage | None = None  # what was told of it

    def use(self, options: SessionOptions) -> None:
        """The options that hold from now on."""
        self._format = None if options.output_modalities == ("text",) else PCM16_24K
        self._voice = options.voice

    # --- what the model says ---

    def begin(self) -> list[ServerMessage]:
        """Something is said: open a response, unless one is open. The caller sees to it that it is wanted."""
        if self.builder is not None:
            return []
        if self.phase in (Phase.IDLE, Phase.OVER):
            self._usage = self._usage if self._usage_is_new else None
            self._reported, self._turn_told = None, False
        self.builder = ResponseBuilder(new_id("resp"), output_audio=self._format, voice=self._voice)
        self.last_response = self.builder.response_id
        self.phase, self._late = Phase.ANSWERING, None
        return self.builder.start()

    @property
    def speaks(self) -> bool:
        """Whether answers are audio; else they are text."""
        return self._format is not None

    @property
    def drops(self) -> bool:
        """Whether what comes is not wanted any more."""
        return self.phase is Phase.CANCELLED

    def thought(self, text: str) -> list[ServerMessage]:
        """More thoughts of the response that is open."""
        assert self.builder is not None
        if self.builder.open_item_id is not None:
            return self.builder.reasoning(text)
        self._thoughts.append(text)
        return []

    def words(self, text: str) -> list[ServerMessage]:
        """More words of the response that is open."""
        assert self.builder is not None
        return [*self._tell_thoughts(), *self.builder.text(text)] if text else []

    def audio(self, audio: bytes, format: AudioFormat) -> list[ServerMessage]:
        """More audio of the response that is open."""
        builder = self.builder
        assert builder is not None
        if self._format is None:
            return []
        out = [*self._tell_thoughts(), *builder.audio(audio)]
        if format != self._format and out:
            out[-1] = replace(out[-1], format=format)
        return out

    def call(self, name: str, arguments: str, call_id: str) -> list[ServerMessage]:
        """A call of the response that is open."""
        assert self.builder is not None
        thoughts, self._thoughts = "".join(self._thoughts), []
        return self.builder.function_call(name, arguments, call_id, reasoning=thoughts)

    def takes_late_words(self) -> bool:
        """Whether words that come now belong to a response that is done."""
        return self.phase is Phase.OVER and (self._late is not None or self.last_response == self._interrupted)

    def late_words(self, text: str) -> list[ServerMessage]:
        """Words whose audio was said in the response that is done: its item as it is now."""
        if self._late is None or self.last_response == self._interrupted:
            return []
        said = self._late.text + text
        part = TextContent(text=said) if self._format is None else AudioContent(transcript=said, format=self._format)
        self._late = replace(self._late, content=(part,))
        return [m.ItemRetrieved(item=self._late)]

    def _tell_thoughts(self) -> list[ServerMessage]:
        if not self._thoughts or self.builder is None:
            return []
        text, self._thoughts = "".join(self._thoughts), []
        return self.builder.reasoning(text)

    # --- how it ends ---

    def called(self) -> list[ServerMessage]:
        """All calls of a frame are told: the response is whole."""
        return self._end(Phase.GOING_ON, "completed")

    def generated(self) -> list[ServerMessage]:
        """All is said."""
        if self.phase is Phase.CANCELLED:
            self.phase = Phase.OVER
        return self._end(Phase.OVER, "completed")

    def interrupted(self, *, by_user: bool) -> list[ServerMessage]:
        """The server has stopped. One interruption is told once, and not at all if the user had no part in it."""
        last, was_cancelled = self.last_response, self.phase is Phase.CANCELLED
        out: list[ServerMessage] = []
        if last is not None and last != self._interrupted and not was_cancelled and by_user:
            out.append(m.Interrupted(response_id=last))
            self._interrupted = last
        if self.phase in (Phase.CANCELLED, Phase.GOING_ON):
            self.phase = Phase.OVER
        self.was_stopped = self.phase is Phase.IDLE
        return out + self._end(Phase.OVER, "cancelled", "turn_detected")

    def turn_complete(self, reason: str | None, *, is_due: bool) -> list[ServerMessage]:
        """The turn is over.

        Args:
            reason: Why, where it is not just at its end.
            is_due: Whether an answer is awaited, so that there has to be one, if an empty one.
        """
        status, error = _status_of(reason)
        out: list[ServerMessage] = []
        if self.phase is Phase.IDLE and (is_due or status != "completed"):
            out += self.begin()
            if self.was_stopped:
                status, reason = "cancelled", "turn_detected"
        out += self._end(Phase.OVER, status, None if status == "completed" else reason, error)
        out += self.usage_reported()
        if self.phase not in (Phase.IDLE, Phase.CANCELLED) and not self._turn_told:
            out.append(m.TurnDone(turn_id=new_id("turn"), outcome=self._outcome(status)))
        self.phase, self._late = Phase.IDLE, None
        self.was_stopped = self._turn_told = False
        return out

    def cancel(self, response_id: str | None, *, is_due: bool) -> list[ServerMessage]:
        """The application wants to hear no more of that response; None: of the one that is open, or else is due."""
        if self.builder is None:
            self._cancels_next = is_due and response_id is None
            return []
        if response_id not in (None, self.builder.response_id):
            return []
        self._interrupted = self.builder.response_id
        self._turn_told = True  # the server, which does not know, would take it to be played first
        out = self._end(Phase.CANCELLED, "cancelled", "client_cancelled")
        return [*out, m.TurnDone(turn_id=new_id("turn"), outcome="interrupted")]

    def cancel_if_asked(self) -> list[ServerMessage]:
        """End the response that has just begun, if it was cancelled before."""
        wanted, self._cancels_next = self._cancels_next, False
        return self.cancel(None, is_due=False) if wanted else []

    def lost(self) -> list[ServerMessage]:
        """The connection is lost."""
        error = ErrorDetail(message="The connection ended before the response did.", type="connection_lost")
        return self._end(Phase.IDLE, "failed", error=error)

    def _end(
        self, phase: Phase, status: m.ResponseStatus, reason: str | None = None, error: ErrorDetail | None = None
    ) -> list[ServerMessage]:
        builder = self.builder
        if builder is None:
            return []
        out = self._tell_thoughts()
        out += builder.end(status, reason=reason, error=error, usage=self._owed_usage())
        messages = [item for item in builder.items if isinstance(item, MessageItem)]
        self.builder, self.phase = None, phase
        self._late = messages[-1] if messages else None
        self._cancels_next = False
        return out

    def _outcome(self, status: m.ResponseStatus) -> m.TurnOutcome:
        if self.phase is Phase.CANCELLED or (
            self.last_response is not None and self.last_response == self._interrupted
        ):
            return "interrupted"
        return "completed" if status == "completed" else "incomplete" if status == "incomplete" else "failed"

    # --- what it costs ---

    def note_usage(self, metadata: UsageMetadata) -> None:
        """A snapshot of what the turn has cost so far."""
        self._usage, self._usage_is_new = read_usage(metadata), True

    def usage_reported(self) -> list[ServerMessage]:
        """What has become known of the cost since the response was done."""
        self._usage_is_new = False
        if self.builder is not None:
            return []
        usage = self._owed_usage()
        return [] if usage is None else [m.UsageReported(usage=usage, response_id=self.last_response)]

    def _owed_usage(self) -> Usage | None:
        if self._usage is None:
            return None
        owed, self._reported = since(self._usage, self._reported), self._usage
        return owed


def _status_of(reason: str | None) -> tuple[m.ResponseStatus, ErrorDetail | None]:
    if reason in _WHOLE or reason is None:
        return "completed", None
    if any(word in reason for word in _UNSAFE):
        return "incomplete", None
    return "failed", ErrorDetail(message=f"The turn ended with {reason}.", code=reason)
