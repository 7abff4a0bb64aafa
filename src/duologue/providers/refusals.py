"""Why a session did not begin, as exceptions with a hint in plain words."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from duologue.content import ErrorDetail
from duologue.errors import ConnectRefused, HungUp, SessionClosed, SessionEnded, SessionFailed
from duologue.providers.masking import masked
from duologue.secret import Secret
from duologue.transports.handshake import ConnectFailed, HandshakeRefused

Reason = Literal["request", "key", "rights", "place", "credit", "rate", "server", "redirect", "other"]

_LONGEST_QUOTE = 300  # characters of what a server says

_CODES: dict[str, Reason] = {
    "invalid_api_key": "key",
    "api_key_invalid": "key",
    "unauthenticated": "key",
    "permission_denied": "rights",
    "not_found": "place",
    "resource_exhausted": "rate",
    "unavailable": "server",
    "account_deactivated": "key",
    "insufficient_quota": "credit",
    "billing_hard_limit_reached": "credit",
    "billing_not_active": "credit",
    "model_not_found": "place",
    "deploymentnotfound": "place",
    "rate_limit_exceeded": "rate",
    "session_limit_reached": "rate",
    "rate_limit_error": "rate",
    "authentication_error": "key",
    "permission_error": "rights",
    "server_error": "server",
}
_STATUSES: dict[int, Reason] = {
    400: "request",
    401: "key",
    402: "credit",
    403: "rights",
    404: "place",
    408: "server",
    422: "request",
    425: "server",
    429: "rate",
    501: "other",
    505: "other",
}
_MAY_PASS: frozenset[Reason] = frozenset({"rate", "server"})
_OF_THE_ACCOUNT: frozenset[Reason] = frozenset({"key", "credit"})
_MAINTENANCE = frozenset({1001, 1012, 1013})  # close codes that say that it is not the client's doing


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What to do about each reason, in the words of one provider."""

    request: str = "Check the model, and what the options ask for."
    key: str = "Check the key."
    rights: str = "The key is known, and may not do this: check its project, its region and which models it may use."
    place: str = "There is no such model, or no such path: check model and base_url."
    credit: str = "The account has no credit left, or its limit is reached. Trying again does not help."
    rate: str = "Too many requests or sessions. Wait a little, then open fewer at once."
    server: str = "The provider has a problem of its own. Try again a little later."
    redirect: str = "Redirects are not followed, as they would carry the key elsewhere. Use the final address."
    other: str = "Check that the address is that of a realtime API."
    unreachable: str = "Check the network, the address, and the proxy if there is one (HTTPS_PROXY)."

    def on(self, reason: Reason) -> str:
        """What to do."""
        advice = getattr(self, reason)
        assert isinstance(advice, str)
        return advice


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a server said over HTTP.

    Attributes:
        refused: What was asked for.
        status: The HTTP status.
        headers: Names in lower case.
        body: Its beginning, as far as it has arrived.
        request_id: The id to quote to the provider's support.
    """

    refused: str
    status: int
    headers: Mapping[str, str]
    body: str
    request_id: str | None


class Refusal(ConnectRefused):
    """A provider's answer to the handshake, or to a request before it.

    Attributes:
        status: The HTTP status.
        retry_after: Seconds that the provider asks to wait; None if it does not.
    """

    status: int | None = None
    retry_after: float | None = None


class Explainer:
    """Explains the refusals of one provider.

    Args:
        provider: Its name.
        advice: What to do about them.
    """

    def __init__(self, provider: str, advice: Advice) -> None:
        self._provider = provider
        self._advice = advice

    def failed(self, failure: ConnectFailed, secrets: Iterable[Secret] = ()) -> ConnectRefused:
        """What it means that there is no connection.

        Args:
            failure: How it failed.
            secrets: What was sent and must not show.
        """
        if isinstance(failure, HandshakeRefused):
            answer = Answer(
                refused="the WebSocket",
                status=failure.status,
                headers=failure.headers,
                body=failure.body,
                request_id=failure.request_id,
            )
            return self.answered(answer, secrets)
        hint = self._advice.unreachable if failure.retryable else ""
        return ConnectRefused(
            masked(str(failure), secrets), provider=self._provider, retryable=failure.retryable, hint=hint
        )

    def answered(self, answer: Answer, secrets: Iterable[Secret] = ()) -> Refusal:
        """What an answer means that is not the one that was asked for.

        Args:
            answer: What the server said.
            secrets: What was sent and must not show.
        """
        said, code = read_body(answer.body, secrets)
        reason = _reason(answer.status, code)
        message = f"The server refused {answer.refused} with status {answer.status}{f': {said}' if said else '.'}"
        refusal = Refusal(
            message,
            provider=self._provider,
            code=code,
            request_id=answer.request_id,
            retryable=reason in _MAY_PASS,
            hint=self._advice.on(reason) + _aside(answer, reason, secrets),
        )
        refusal.status = answer.status
        refusal.retry_after = retry_after(answer.headers)
        return refusal

    def refused_in_band(self, refused: ConnectRefused, secrets: Iterable[Secret] = ()) -> ConnectRefused:
        """What it means that the provider refused the session once the connection was there."""
        reason = None if refused.code is None else _CODES.get(refused.code.lower())
        return ConnectRefused(
            masked(refused.message, secrets),
            provider=refused.provider,
            code=_masked(refused.code, secrets),
            close_code=refused.close_code,
            request_id=refused.request_id,
            retryable=refused.retryable if reason is None else reason in _MAY_PASS,
            hint=refused.hint if reason is None else self._advice.on(reason),
            last_error=None if refused.last_error is None else masked_detail(refused.last_error, secrets),
        )

    def ended(self, end: SessionEnded, secrets: Iterable[Secret] = ()) -> SessionEnded:
        """What it means that a session ended that had begun."""
        shown = masked_end(end, secrets)
        reason = _CODES.get((shown.code or "").lower())
        if isinstance(shown, HungUp) and reason in _OF_THE_ACCOUNT and shown.close_code not in _MAINTENANCE:
            shown.retryable, shown.hint = False, self._advice.on(reason)
        return shown


def masked_end(end: SessionEnded, secrets: Iterable[Secret]) -> SessionEnded:
    """`end` without what must not show. Only what the other side says is rewritten, and never a cause."""
    if isinstance(end, SessionClosed | SessionFailed):
        return end
    shown = type(end)(
        masked(end.message, secrets),
        provider=end.provider,
        code=_masked(end.code, secrets),
        close_code=end.close_code,
        request_id=end.request_id,
        retryable=end.retryable,
        hint=masked(end.hint, secrets),
        last_error=None if end.last_error is None else masked_detail(end.last_error, secrets),
    )
    shown.__cause__ = end.__cause__
    return shown


def masked_detail(detail: ErrorDetail, secrets: Iterable[Secret]) -> ErrorDetail:
    """What the other side says of an error, without what must not show."""
    return ErrorDetail(
        message=masked(detail.message, secrets),
        type=_masked(detail.type, secrets),
        code=_masked(detail.code, secrets),
        param=_masked(detail.param, secrets),
    )


def _masked(text: str | None, secrets: Iterable[Secret]) -> str | None:
    return None if text is None else masked(text, secrets)


def read_body(body: str, secrets: Iterable[Secret] = ()) -> tuple[str, str | None]:
    """What an answer's body says, and its code, without what must not show.

    Of OpenAI, and of those who write it otherwise.
    """
    text = body.strip()
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError):
        return ("" if text.startswith("<") else _quote(text, secrets)), None
    if not isinstance(data, dict):
        return _quote(data if isinstance(data, str) else "", secrets), None
    error = data.get("error")
    inner = error if isinstance(error, dict) else data
    said = next((inner[name] for name in ("message", "error", "detail") if isinstance(inner.get(name), str)), "")
    code = _reason_of_google(inner) or next(
        (inner[name] for name in ("code", "type") if _is_code(inner.get(name))), None
    )
    return _quote(said, secrets), None if code is None else masked(str(code), secrets)


def _reason_of_google(error: dict[str, Any]) -> str | None:
    """The word for an error whose ``code`` is only the HTTP status once more."""
    details = error.get("details")
    reasons = (
        [detail.get("reason") for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []
    )
    words = [word for word in (*reasons, error.get("status")) if isinstance(word, str) and word]
    return words[0] if words and isinstance(error.get("code"), int) else None


def _is_code(value: object) -> bool:
    return (isinstance(value, str) and bool(value)) or (isinstance(value, int) and not isinstance(value, bool))


def _quote(text: str, secrets: Iterable[Secret]) -> str:
    text = masked(" ".join(text.split()), secrets)  # before it is cut: half a key would not be found
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"


def _aside(answer: Answer, reason: Reason, secrets: Iterable[Secret]) -> str:
    """What the headers add."""
    location = answer.headers.get("location")
    if reason == "redirect" and location:
        target = urlsplit(location)._replace(query="", fragment="").geturl()
        return f" It points to {masked(target, secrets)}."
    wait = retry_after(answer.headers)
    return f" It asks to wait {wait:g} s." if reason in _MAY_PASS and wait else ""


def retry_after(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """Seconds that a server asks to wait, from its headers with names in lower case; None if it does not."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if value.isascii() and value.replace(".", "", 1).isdigit():
            return float(value) * unit
    try:
        moment = parsedate_to_datetime(headers.get("retry-after", "")).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, moment - now())


def _reason(status: int, code: str | None) -> Reason:
    if code is not None and code.lower() in _CODES:
        return _CODES[code.lower()]
    if status in _STATUSES:
        return _STATUSES[status]
    if 300 <= status < 400:
        return "redirect"
    return "server" if status >= 500 else "other"
