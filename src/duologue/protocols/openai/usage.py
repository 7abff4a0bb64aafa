"""Usage and log probabilities, to and from the wire."""

from __future__ import annotations

from duologue import messages as m
from duologue.content import TokenCounts, Usage
from duologue.protocols.json_values import JsonObject, as_float, as_int, as_object, as_objects, as_text, put


def read_usage(value: object) -> Usage | None:
    """What a usage object tells; None if it tells nothing."""
    if not isinstance(value, dict) or not value:
        return None
    into = as_object(value.get("input_token_details"))
    out = as_object(value.get("output_token_details"))
    cached = as_object(into.get("cached_tokens_details"))
    return Usage(
        input_tokens=as_int(value.get("input_tokens")),
        output_tokens=as_int(value.get("output_tokens")),
        total_tokens=as_int(value.get("total_tokens")),
        input=_counts(into),
        output=_counts(out),
        cached_tokens=as_int(into.get("cached_tokens")),
        cached=_counts(cached),
        reasoning_tokens=as_int(out.get("reasoning_tokens")),
        seconds=as_float(value.get("seconds")),
    )


def _counts(details: JsonObject) -> TokenCounts:
    return TokenCounts(
        text=as_int(details.get("text_tokens")),
        audio=as_int(details.get("audio_tokens")),
        image=as_int(details.get("image_tokens")),
    )


def write_usage(usage: Usage | None) -> JsonObject | None:
    """Usage as the wire has it; by time where it is told in seconds."""
    if usage is None:
        return None
    if usage.seconds is not None:
        return {"type": "duration", "seconds": usage.seconds}
    into = _write_counts(usage.input)
    put(into, "cached_tokens", usage.cached_tokens)
    put(into, "cached_tokens_details", _write_counts(usage.cached) or None)
    out = _write_counts(usage.output)
    put(out, "reasoning_tokens", usage.reasoning_tokens)
    written: JsonObject = {}
    for name in ("total_tokens", "input_tokens", "output_tokens"):
        put(written, name, getattr(usage, name))
    put(written, "input_token_details", into or None)
    put(written, "output_token_details", out or None)
    return written


def write_transcription_usage(usage: Usage | None) -> JsonObject:
    """Usage of a transcription as the wire has it; it says of which kind it is."""
    if usage is None:
        return {"type": "tokens", "input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    return {"type": "tokens", **(write_usage(usage) or {})}


def _write_counts(counts: TokenCounts) -> JsonObject:
    written: JsonObject = {}
    for name in ("text", "audio", "image"):
        put(written, f"{name}_tokens", getattr(counts, name))
    return written


def read_logprobs(value: object) -> tuple[m.TokenProbability, ...] | None:
    """Log probabilities; None if there are none."""
    if not isinstance(value, list):
        return None
    found = []
    for entry in as_objects(value):
        token, logprob, data = as_text(entry.get("token")), as_float(entry.get("logprob")), entry.get("bytes")
        if token is None or logprob is None:
            continue
        numbers = tuple(number for number in data if isinstance(number, int)) if isinstance(data, list) else None
        found.append(m.TokenProbability(token=token, logprob=logprob, bytes=numbers))
    return tuple(found)


def write_logprobs(logprobs: tuple[m.TokenProbability, ...] | None) -> list[JsonObject] | None:
    """Log probabilities as the wire has them."""
    if logprobs is None:
        return None
    return [
        {"token": entry.token, "logprob": entry.logprob, "bytes": list(entry.bytes or entry.token.encode())}
        for entry in logprobs
    ]
