"""From a configuration to clients and grants."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from duologue.client import RealtimeClient
from duologue.errors import DuologueError
from duologue.gateway.configuration import Configuration, ModelTable
from duologue.gateway.fallbacks import FallbackClient
from duologue.gateway.grants import Authorize, Grant, anybody
from duologue.gateway.keys import Keys, hashed
from duologue.gateway.models import Model
from duologue.gateway.reading_configuration import InvalidConfiguration
from duologue.providers import make_client
from duologue.secret import Secret

_VENDORS_VOICES = (
    "alloy",
    "ash",
    "ballad",
    "cedar",
    "coral",
    "echo",
    "fable",
    "marin",
    "nova",
    "onyx",
    "sage",
    "shimmer",
    "verse",
)
EMBEDDED_IGNORES: Mapping[str, tuple[str, ...]] = {
    "voice": _VENDORS_VOICES,
    "noise_reduction": (),
    "reasoning_effort": (),
    "include": (),
    "transcription.model": (),
    "transcription.languages": (),
    "transcription.prompt": (),
    "transcription.delay": (),
}
"""What clients of OpenAI's API state as a matter of course, and the embedded provider has not."""

Wrap = Callable[[RealtimeClient], RealtimeClient]


def make_models(configuration: Configuration, wrap: Wrap) -> tuple[dict[str, Model], Model | None]:
    """The models by their names, and the one for clients that ask for another.

    Args:
        configuration: What to make.
        wrap: What is put around every client.

    Raises:
        InvalidConfiguration: A provider cannot be made of what is configured.
    """
    if not configuration.models:
        client = wrap(make_client("local"))
        return {}, Model(client=client, ignores=EMBEDDED_IGNORES)
    problems: list[str] = []
    clients: dict[str, RealtimeClient] = {}
    for name, table in configuration.models.items():
        try:
            clients[name] = wrap(_make(table))
        except DuologueError as error:
            problems.append(f"models.{name}: {error}")
    if problems:
        raise InvalidConfiguration(problems)
    models = {}
    for name, table in configuration.models.items():
        behind = [clients[other] for other in (name, *table.fallbacks)]
        models[name] = Model(
            client=behind[0] if len(behind) == 1 else FallbackClient(behind),
            options=table.options.options(),
            ignores=_ignores(table),
        )
    default = configuration.default_model
    return models, None if default is None else models[default]


def observed(client: RealtimeClient, configuration: Configuration) -> RealtimeClient:
    """`client`, traced and measured if that is configured."""
    if not configuration.telemetry:
        return client
    from duologue.middleware import Telemetry

    return client.with_middleware(Telemetry())


def _make(table: ModelTable) -> RealtimeClient:
    if table.provider == "local":
        return _make_embedded(table)
    key = None if table.key_variable is None else Secret.of(os.environ[table.key_variable])
    return make_client(table.provider, model=table.model, api_key=key, base_url=table.base_url)


def _make_embedded(table: ModelTable) -> RealtimeClient:
    from duologue.local import LocalRealtimeClient

    if table.chat_model is None:
        return LocalRealtimeClient(hints=table.hints)
    from duologue.speech.chat import ChatResponder

    key = None if table.chat_key_variable is None else Secret.of(os.environ[table.chat_key_variable])
    responder = ChatResponder(table.chat_model, base_url=table.chat_url, api_key=key)
    return LocalRealtimeClient(responder=responder, hints=table.hints)


def _ignores(table: ModelTable) -> dict[str, tuple[str, ...]]:
    habits = EMBEDDED_IGNORES if table.provider == "local" else {}
    return {**habits, **{name: () if values is True else values for name, values in table.ignores.items()}}


def make_authorization(configuration: Configuration) -> Authorize:
    """Who may do what; without keys, everybody everything."""
    if not configuration.keys:
        return anybody
    grants = {}
    for name, table in configuration.keys.items():
        known = table.hash or hashed(os.environ[table.variable or ""])
        grants[known] = Grant(
            who=name,
            models=table.models,
            options=table.options.options(),
            client_may=table.client_may,
            limits=table.limits(),
        )
    return Keys(grants)
