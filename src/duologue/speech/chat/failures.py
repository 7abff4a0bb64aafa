"""What goes wrong with a chat endpoint, in plain words. Never shows a key."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import msgspec

from duologue.errors import SpeechFailed

if TYPE_CHECKING:
    from openai import APIStatusError

LONGEST_QUOTE = 200
"""How much is quoted of what an endpoint says, in characters."""
WRONG_ADDRESS = "See whether base_url is that of an OpenAI-compatible API; it usually ends with /v1."


def request_errors() -> tuple[type[Exception], ...]:
    """What the SDK raises while a request is sent and a stream runs.

    Besides its own errors those of its HTTP client, which version 3 wraps and earlier ones let through.
    """
    import openai

    return (openai.APIError, *_http_errors("HTTPError"))


def stream_errors() -> tuple[type[Exception], ...]:
    """`request_errors`, and what comes of a stream that is no JSON, or another JSON."""
    return (*request_errors(), ValueError, msgspec.ValidationError)


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where an answer was asked for, as far as errors tell.

    Attributes:
        host: The host, with its port.
        model: The model.
        key: What is cut out of quotations; ``""`` if none was sent.
    """

    host: str
    model: str
    key: str = ""

    def __repr__(self) -> str:
        return f"Endpoint(host={self.host!r}, model={self.model!r})"

    def failure(self, error: Exception, *, began: bool) -> SpeechFailed:
        """`error`, as what happened and what to do.

        Args:
            error: One of `stream_errors`.
            began: Whether part of the answer had come.
        """
        import openai

        if isinstance(error, openai.APIStatusError):
            return self._failed(f"{self._refusal(error)}{_request_id(error)}")
        if isinstance(error, (openai.APITimeoutError, *_http_errors("TimeoutException"))):
            what = "stopped sending in the middle of the answer" if began else "did not answer in time"
            return self._failed(
                f"{what}. See whether it is overloaded or still loads the model, or set a longer timeout."
            )
        if isinstance(error, (openai.APIConnectionError, *_http_errors("HTTPError"))):
            if began:
                return self.cut_off()
            reason = self._quotable(_root(error))
            return self._failed(f"cannot be reached: {reason}. See whether it runs, and whether base_url is right.")
        if isinstance(error, openai.APIError):
            return self._failed(f"reported an error{self._words(error)}. Ask again, or see its log.")
        return self._failed(f"sent something that is no chat completion ({type(error).__name__}). {WRONG_ADDRESS}")

    def cut_off(self) -> SpeechFailed:
        """The stream ended before the answer did."""
        return self._failed("broke off in the middle of the answer. Ask again; see its log if it happens again.")

    def no_answer(self) -> SpeechFailed:
        """The stream was empty."""
        return self._failed(f"sent no answer at all. {WRONG_ADDRESS}")

    def _failed(self, what: str) -> SpeechFailed:
        return SpeechFailed(f"The chat endpoint at {self.host} {what}")

    def _refusal(self, error: APIStatusError) -> str:
        status, words = error.status_code, self._words(error)
        match status:
            case 401 | 403 if not self.key:
                return f"wants a key ({status}), and none was given. Pass api_key."
            case 401 | 403:  # its words may hold the key, in a form that is not recognised
                return f"refuses the key ({status}). See whether the key is right, and may use {self.model!r}."
            case 404:
                return f"has no model {self.model!r}, or nothing at this address (404){words}. See model and base_url."
            case 429:
                return f"has had too many requests, or the quota is used up (429){words}. Wait, or raise the limit."
            case _ if status >= 500:
                return f"failed ({status}){words}. Try again later, or see its log."
            case _:
                return f"refuses the request ({status}){words}. See whether {self.model!r} takes the options in use."

    def _words(self, error: object) -> str:
        """What the endpoint says about it, as ``": …"``; or nothing."""
        quote = self._quotable(next(_texts(error), ""))
        return f": {quote}" if quote and not quote.startswith("<") else ""  # not an HTML page

    def _quotable(self, text: str) -> str:
        if self.key:
            text = text.replace(self.key, "***")
        text = " ".join(text.split()).rstrip(".")
        return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"


def _http_errors(name: str) -> tuple[type[Exception], ...]:
    """The class of that name in each HTTP client that is loaded: the SDK has changed from one to the other."""
    modules = [sys.modules[client] for client in ("httpx", "httpx2") if client in sys.modules]
    return tuple(cast("type[Exception]", getattr(module, name)) for module in modules)


def _texts(error: object) -> Iterator[str]:
    """Where servers write what is wrong: `body` is the JSON, or its ``error``; or the page, if it is no JSON."""
    body = getattr(error, "body", None)
    members = [body.get(key) for key in ("message", "detail", "error")] if isinstance(body, dict) else [body]
    yield from (member for member in members if isinstance(member, str))
    if body is None:
        yield str(getattr(error, "message", ""))


def _request_id(error: APIStatusError) -> str:
    return f" (Request {error.request_id}.)" if error.request_id else ""


def _root(error: BaseException) -> str:
    """What the operating system said, which is at the end of the chain of causes."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return str(error) or type(error).__name__
