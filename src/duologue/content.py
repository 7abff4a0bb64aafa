"""What messages carry: parts of a message, errors, usage."""

from __future__ import annotations

import base64
from typing import Any, Literal, TypeVar

import msgspec

from duologue.formats import AudioFormat

ImageDetail = Literal["auto", "low", "high"]
Number = TypeVar("Number", int, float)


class TextContent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="text"):
    """Text, written by anybody (``input_text``, ``output_text`` and ``text`` on OpenAI's wire)."""

    text: str


class AudioContent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="audio", omit_defaults=True):
    """Speech, with or without its audio (``input_audio``, ``output_audio`` and ``audio`` on OpenAI's wire).

    Attributes:
        audio: The samples, in `format`; None where only the transcript is known.
        format: What the samples are; None: the session's format for that direction.
        transcript: What is said, as far as it is known.
    """

    audio: bytes | None = None
    format: AudioFormat | None = None
    transcript: str | None = None

    def __repr__(self) -> str:
        size = "no audio" if self.audio is None else f"{len(self.audio)} bytes"
        return f"AudioContent({size}, transcript={self.transcript!r})"


class ImageContent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="image", omit_defaults=True):
    """A picture: either its bytes or an address (``input_image`` on OpenAI's wire).

    Attributes:
        data: The encoded file.
        media_type: What `data` is, e.g. ``"image/png"``.
        url: Where the picture is, instead of `data`.
        detail: How closely the model shall look.
    """

    data: bytes | None = None
    media_type: str = "image/png"
    url: str | None = None
    detail: ImageDetail | None = None

    def data_uri(self) -> str:
        """The picture as one string: its address, or its bytes as a ``data:`` URI."""
        if self.data is None:
            return self.url or ""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode('ascii')}"

    def __repr__(self) -> str:
        return f"ImageContent({self.media_type}, {'an address' if self.data is None else f'{len(self.data)} bytes'})"


class RawContent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="raw"):
    """A part of a kind that this library does not know, as the provider sent it."""

    data: dict[str, Any]

    def __repr__(self) -> str:
        return f"RawContent({self.data.get('type', '?')})"


Content = TextContent | AudioContent | ImageContent | RawContent


class ErrorDetail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error in a provider's words.

    Attributes:
        message: What it says.
        type: Its class, e.g. ``"invalid_request_error"``.
        code: Its code, e.g. ``"rate_limit_exceeded"``.
        param: The parameter that it is about.
    """

    message: str
    type: str | None = None
    code: str | None = None
    param: str | None = None


class TokenCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens by kind. None: not told."""

    text: int | None = None
    audio: int | None = None
    image: int | None = None


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What something cost, as told by the provider. None: not told.

    Attributes:
        input_tokens: All input tokens, cached ones included.
        output_tokens: All output tokens.
        total_tokens: Both.
        input: Input tokens by kind.
        output: Output tokens by kind.
        cached_tokens: Input tokens that came from the provider's cache.
        cached: Cached tokens by kind.
        reasoning_tokens: Output tokens spent on reasoning.
        seconds: Audio seconds, where a provider bills by time.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input: TokenCounts = TokenCounts()
    output: TokenCounts = TokenCounts()
    cached_tokens: int | None = None
    cached: TokenCounts = TokenCounts()
    reasoning_tokens: int | None = None
    seconds: float | None = None

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=_sum(self.input_tokens, other.input_tokens),
            output_tokens=_sum(self.output_tokens, other.output_tokens),
            total_tokens=_sum(self.total_tokens, other.total_tokens),
            input=_sum_counts(self.input, other.input),
            output=_sum_counts(self.output, other.output),
            cached_tokens=_sum(self.cached_tokens, other.cached_tokens),
            cached=_sum_counts(self.cached, other.cached),
            reasoning_tokens=_sum(self.reasoning_tokens, other.reasoning_tokens),
            seconds=_sum(self.seconds, other.seconds),
        )


def _sum(first: Number | None, second: Number | None) -> Number | None:
    if first is None or second is None:
        return second if first is None else first
    return first + second


def _sum_counts(first: TokenCounts, second: TokenCounts) -> TokenCounts:
    return TokenCounts(
        text=_sum(first.text, second.text),
        audio=_sum(first.audio, second.audio),
        image=_sum(first.image, second.image),
    )
