"""Usage, to and from the wire. A snapshot tells what the whole turn has cost so far."""

from __future__ import annotations

from collections.abc import Iterable

from duologue.content import TokenCounts, Usage
from duologue.protocols.gemini.server_frames import ModalityTokens, UsageMetadata

_KINDS = {"TEXT": "text", "AUDIO": "audio", "IMAGE": "image", "VIDEO": "image", "DOCUMENT": "text"}
_PLAIN = ("input_tokens", "output_tokens", "total_tokens", "cached_tokens", "reasoning_tokens")
_BY_KIND = ("input", "output", "cached")


def read_usage(metadata: UsageMetadata) -> Usage:
    """What a snapshot tells. Video counts as images, documents as text."""
    into = _sum(metadata.prompt_token_count, metadata.tool_use_prompt_token_count)
    out = metadata.response_token_count
    if out is None:
        out = metadata.candidates_token_count
    thoughts = metadata.thoughts_token_count
    if _are_apart(into, out, thoughts, metadata.total_token_count):
        out = _sum(out, thoughts)
    return Usage(
        input_tokens=into,
        output_tokens=out,
        total_tokens=metadata.total_token_count,
        input=_counts((*metadata.prompt_tokens_details, *metadata.tool_use_prompt_tokens_details)),
        output=_counts(metadata.response_tokens_details or metadata.candidates_tokens_details),
        cached_tokens=metadata.cached_content_token_count,
        cached=_counts(metadata.cache_tokens_details),
        reasoning_tokens=thoughts,
    )


def _are_apart(into: int | None, out: int | None, thoughts: int | None, total: int | None) -> bool:
    """Whether the thoughts come on top of the output: some models count them in the total, and some do not."""
    return total is not None and total >= (into or 0) + (out or 0) + (thoughts or 0)


def _sum(first: int | None, second: int | None) -> int | None:
    return first if second is None else second if first is None else first + second


def _counts(details: Iterable[ModalityTokens]) -> TokenCounts:
    found: dict[str, int] = {}
    for entry in details:
        kind = _KINDS.get(entry.modality or "")
        if kind is not None and entry.token_count is not None:
            found[kind] = found.get(kind, 0) + entry.token_count
    return TokenCounts(**found)


def since(usage: Usage, before: Usage | None) -> Usage | None:
    """What `usage` tells beyond `before`, which is an earlier snapshot of the same turn; None if that is nothing.

    The sum of what was told of a turn is thus always its last snapshot.
    """
    if before is None:
        return usage if usage != Usage() else None
    if usage == before:
        return None
    values = {name: _difference(getattr(usage, name), getattr(before, name)) for name in _PLAIN}
    counts = {
        name: TokenCounts(
            **{
                kind: _difference(getattr(getattr(usage, name), kind), getattr(getattr(before, name), kind))
                for kind in TokenCounts.__struct_fields__
            }
        )
        for name in _BY_KIND
    }
    return Usage(**values, **counts)  # type: ignore[arg-type]


def _difference(now: int | None, before: int | None) -> int | None:
    return None if now is None else now - (before or 0)


def write_usage(usage: Usage) -> UsageMetadata:
    """A snapshot as the wire has it."""
    output, thoughts = usage.output_tokens, usage.reasoning_tokens
    if output is not None and _are_apart(usage.input_tokens, output, None, usage.total_tokens):
        output = max(0, output - (thoughts or 0))
    return UsageMetadata(
        prompt_token_count=usage.input_tokens,
        cached_content_token_count=usage.cached_tokens,
        response_token_count=output,
        thoughts_token_count=thoughts,
        total_token_count=usage.total_tokens,
        prompt_tokens_details=_write_counts(usage.input),
        cache_tokens_details=_write_counts(usage.cached),
        response_tokens_details=_write_counts(usage.output),
    )


def _write_counts(counts: TokenCounts) -> tuple[ModalityTokens, ...]:
    return tuple(
        ModalityTokens(modality=kind.upper(), token_count=number)
        for kind in ("text", "audio", "image")
        if (number := getattr(counts, kind)) is not None
    )
