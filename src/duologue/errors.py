"""What can go wrong, as exceptions that say what happened, where, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duologue.content import ErrorDetail


class DuologueError(Exception):
    """The base of every exception of this library."""


class InvalidInput(DuologueError, ValueError):
    """Something handed to the library does not make sense. Nothing was sent and nothing has changed."""


class InvalidAudio(InvalidInput):
    """Audio that is not what it is said to be: a broken file, half a sample, another format."""


class InvalidTool(InvalidInput):
    """A function, or a declaration, that cannot be offered to a model."""


class InvalidArguments(DuologueError):
    """The model called a tool with arguments that do not fit. The text is written for the model to act on."""


class MissingDependency(DuologueError, ImportError):
    """Something that is not installed. The text says how to get it.

    Args:
        what: What is missing, e.g. ``"pocketsphinx"``.
        remedy: The command that installs it.
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what} is not installed. {remedy}")
        self.what = what
        self.remedy = remedy


class DeviceUnavailable(DuologueError):
    """A microphone or a speaker that is not there or does not work."""


class SpeechFailed(DuologueError):
    """A stage of the embedded provider (speech to text, a responder, text to speech) could not do its work."""


class ConcurrentRead(DuologueError, RuntimeError):
    """Two readers at the same time. A session has one stream; fan it out above, or read it in one task."""


class TooManyRequests(DuologueError):
    """More response requests wait behind the active response than the library keeps (32)."""


class UnsupportedOperation(DuologueError):
    """What the provider's wire cannot do. Nothing was sent.

    Args:
        operation: What was asked for, e.g. ``"conversation item truncation"``.
        provider: The provider that cannot.
        way_out: What to do instead, as a sentence.
    """

    def __init__(self, operation: str, provider: str, way_out: str = "") -> None:
        super().__init__(f"{provider} does not support {operation}.{' ' + way_out if way_out else ''}")
        self.operation = operation
        self.provider = provider
        self.way_out = way_out


class SessionEnded(DuologueError):
    """The session is over. Subclasses say why; `session.ended` holds the one that was raised.

    Attributes:
        message: What happened, without the rest.
        provider: Which provider.
        code: The provider's own error code, if it gave one.
        close_code: The WebSocket close code, if there was one.
        request_id: The id to quote to the provider's support.
        retryable: Whether a new session may work as things are.
        hint: What it means and what to do, in plain words.
        last_error: The last in-band error before the end.
    """

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        code: str | None = None,
        close_code: int | None = None,
        request_id: str | None = None,
        retryable: bool = False,
        hint: str = "",
        last_error: ErrorDetail | None = None,
    ) -> None:
        parts = [f"{provider}: {message}" if provider else message]
        if code or close_code:
            parts.append(f"({', '.join(str(part) for part in (code, close_code) if part)})")
        if hint:
            parts.append(hint)
        if last_error is not None:
            parts.append(f"The last error before that: {last_error.message}")
        super().__init__(" ".join(parts))
        self.message = message
        self.provider = provider
        self.code = code
        self.close_code = close_code
        self.request_id = request_id
        self.retryable = retryable
        self.hint = hint
        self.last_error = last_error


class SessionClosed(SessionEnded):
    """Our side closed the session. Iteration ends quietly; only sending raises it."""


class HungUp(SessionEnded):
    """The provider ended the session in an orderly way."""


class CutOff(SessionEnded):
    """The connection broke: it was lost, went silent, or could not take what was sent in time."""


class Expired(SessionEnded):
    """The session reached the longest time that the provider allows."""


class Stopped(SessionEnded):
    """A rule of the application ended the session: a limit of `UsageLimits`, or a verdict of `Guardrails`.

    `code` says which: the limit's name, such as ``"total_tokens"``, or ``"guardrail"``.
    """


class ConnectRefused(SessionEnded):
    """The session did not begin: the provider refused it, or was not there."""


class SessionFailed(SessionEnded):
    """A layer, or a task that it owned, raised. The reader gets the original, which is this one's `__cause__`."""
