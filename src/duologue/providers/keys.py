"""Keys: where they come from, and that they are fetched anew for every connection."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable

from duologue.errors import ConnectRefused, DuologueError, InvalidInput
from duologue.secret import Secret

KeySource = Callable[[], str | Secret | Awaitable[str | Secret]]
"""A function that fetches a key or a token. A plain function runs in a thread, as it may wait for the network."""

ApiKey = str | Secret | KeySource
"""A key, or a function that fetches one; it is called for every connection."""


class MissingKey(InvalidInput):
    """There is no key. The text says where it was looked for."""


def checked_source(key: ApiKey | None, name: str) -> Secret | KeySource | None:
    """`key`, wrapped so that it does not show.

    Args:
        key: What the application gave.
        name: What to call it in errors, e.g. ``"api_key"``.

    Raises:
        InvalidInput: It is neither a key nor a function.
    """
    if key is None or isinstance(key, Secret):
        return key
    if isinstance(key, str):
        return Secret.of(key)
    if not callable(key):
        raise InvalidInput(f"{name} is a str, a Secret or a function that gives one, not {type(key).__name__}.")
    return key


def from_environment(variable: str) -> str | None:
    """What is in that environment variable, without blanks around it; None if there is nothing."""
    return os.environ.get(variable, "").strip() or None


def bearer(key: Secret) -> Secret:
    """The value of the header ``Authorization``."""
    return Secret.of(f"Bearer {key.reveal()}")


async def current_key(
    source: Secret | KeySource | None, *, provider: str, name: str = "api_key", variable: str | None = None
) -> Secret | None:
    """The key for the next connection; None if there is none and no variable to look for it.

    Args:
        source: What the application gave.
        provider: Whose key it is, for errors.
        name: What to call it in errors.
        variable: The environment variable that has it when nothing was given.

    Raises:
        MissingKey: There is none.
        InvalidInput: It is no key: the function gave something else, or no header can carry it.
        ConnectRefused: The function raised.
    """
    if source is None:
        if variable is None:
            return None
        found = from_environment(variable)
        if found is None:
            raise MissingKey(f"{provider} needs a key. Set the environment variable {variable}, or pass {name}.")
        return _checked(found, f"the environment variable {variable}")
    if isinstance(source, Secret):
        return _checked(source.reveal(), name)
    return _checked(await _fetched(source, provider, name), f"what the function {name} gave")


async def _fetched(source: KeySource, provider: str, name: str) -> str:
    try:
        fetched = source() if _is_async(source) else await asyncio.to_thread(source)
        if inspect.isawaitable(fetched):
            fetched = await fetched
    except DuologueError:
        raise
    except Exception as error:
        raise ConnectRefused(
            f"No key: the function {name} raised {type(error).__name__}.",
            provider=provider,
            hint="See what it raised; nothing was sent.",
        ) from error
    if isinstance(fetched, Secret):
        return fetched.reveal()
    if not isinstance(fetched, str):
        raise InvalidInput(f"The function {name} gave {type(fetched).__name__}, not a str.")
    return fetched


def _is_async(source: KeySource) -> bool:
    return inspect.iscoroutinefunction(source) or inspect.iscoroutinefunction(getattr(source, "__call__", None))  # noqa: B004


def _checked(key: str, origin: str) -> Secret:
    key = key.strip()
    if not key:
        raise MissingKey(f"There is no key: {origin} is empty.")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise InvalidInput(f"There is no key in {origin}: it holds blanks or characters that no header can carry.")
    return Secret.of(key)
