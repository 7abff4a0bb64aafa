"""Makes what a client states fit what an upstream can do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from duologue import messages as m
from duologue.capabilities import Capabilities, check_options
from duologue.options import SemanticTurnDetection, ServerTurnDetection, SessionOptions

Ignores = Mapping[str, Collection[str]]


def adapted(
    options: SessionOptions, can: Capabilities, provider: str, ignores: Ignores
) -> tuple[SessionOptions, tuple[str, ...]]:
    """`options` without the preferences that the upstream has not, and their names.

    Turns that are to be found by meaning are found by silence where the upstream knows no other way.

    Raises:
        UnsupportedOperation: It cannot do what is asked, and that is no preference.
    """
    options, ignored = without(options, ignores)
    detection = options.turn_detection
    if isinstance(detection, SemanticTurnDetection) and "semantic" not in can.turn_detections:
        plain = ServerTurnDetection(
            create_response=detection.create_response, interrupt_response=detection.interrupt_response
        )
        if "server" in can.turn_detections:
            options = msgspec.structs.replace(options, turn_detection=plain)
            ignored = (*ignored, "turn_detection.eagerness")
    asked = msgspec.structs.replace(options, unsupported="drop")
    taken, dropped = check_options(asked, can, provider)
    return msgspec.structs.replace(taken, unsupported=options.unsupported), (*ignored, *dropped)


def adapted_request(request: m.ResponseCreate, ignores: Ignores) -> m.ResponseCreate:
    """`request` without what is to be ignored."""
    changes = {name: None for name in request.overrides() if _is_ignored(name, getattr(request, name), ignores)}
    return msgspec.structs.replace(request, **changes) if changes else request


def without(options: SessionOptions, ignores: Ignores) -> tuple[SessionOptions, tuple[str, ...]]:
    """`options` without what is to be ignored, and its names."""
    changes: dict[str, Any] = {}
    dropped = []
    for name in ignores:
        whole, _, part = name.partition(".")
        value: Any = changes.get(whole, getattr(options, whole, None))
        stated = getattr(value, part, None) if part else value
        if stated is None or not _is_ignored(name, stated, ignores):
            continue
        changes[whole] = msgspec.structs.replace(value, **{part: None}) if part else None
        dropped.append(name)
    return (msgspec.structs.replace(options, **changes) if changes else options), tuple(dropped)


def _is_ignored(name: str, value: object, ignores: Ignores) -> bool:
    values = ignores.get(name)
    return values is not None and (not values or value in values)
