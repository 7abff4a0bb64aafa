"""Reads a configuration, and tells everything that is wrong with it, each with its place."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict, SettingsError

from duologue.errors import InvalidInput
from duologue.gateway.configuration import LOOPBACK, PREFIX, Configuration, KeyTable, ModelTable
from duologue.gateway.keys import is_hash
from duologue.options import SessionOptions
from duologue.providers import PROVIDERS


class InvalidConfiguration(InvalidInput):
    """A configuration that cannot be served.

    Args:
        problems: What is wrong, each with its place.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def read_configuration(
    file: Path | None, environment: Mapping[str, str] | None = None, **overrides: Any
) -> Configuration:
    """The configuration of a file (None: of none), of the environment, and of `overrides`, which win.

    Raises:
        InvalidConfiguration: Something of it is wrong.
    """
    environment = os.environ if environment is None else environment
    where = file.name if file is not None else "configuration"
    try:
        found = _with_file(file)(**{name: value for name, value in overrides.items() if value is not None})
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfiguration([f"{file}: {error}"]) from None
    except UnicodeDecodeError:
        raise InvalidConfiguration([f"{file}: It is no text in UTF-8."]) from None
    except OSError as error:
        raise InvalidConfiguration([f"{file}: {error.strerror}."]) from None
    except SettingsError as error:
        raise InvalidConfiguration([f"environment: {error}."]) from None
    except ValidationError as error:
        raise InvalidConfiguration([_place(where, detail, environment) for detail in error.errors()]) from None
    problems = [f"{where}: {problem}" for problem in _problems(found, environment)]
    if problems:
        raise InvalidConfiguration(problems)
    return found


def _with_file(file: Path | None) -> type[Configuration]:
    if file is None:
        return Configuration
    with file.open("rb") as opened:  # which tells what is wrong with it: a missing file would be as good as none
        tomllib.load(opened)

    class FromFile(Configuration):
        model_config = SettingsConfigDict(toml_file=file)

    return FromFile


def _place(where: str, detail: Any, environment: Mapping[str, str]) -> str:
    """A problem with its place, and without its value, which may be a secret."""
    location = [str(part) for part in detail["loc"]]
    variable = PREFIX + "__".join(location).upper()
    source = f"environment variable {variable}" if variable in environment else f"{where}: {'.'.join(location)}"
    return f"{source}: {detail['msg']}."


def _problems(configuration: Configuration, environment: Mapping[str, str]) -> Iterator[str]:
    """What is wrong beyond the form."""
    for name, model in configuration.models.items():
        for problem in _model_problems(model, configuration, environment):
            yield f"models.{name}.{problem}"
    for name, key in configuration.keys.items():
        for problem in _key_problems(key, configuration, environment):
            yield f"keys.{name}.{problem}"
    default = configuration.default_model
    if default is not None and default not in configuration.models:
        yield f"default_model: There is no model {default!r}."
    if configuration.host not in LOOPBACK and not configuration.keys:
        yield f"host: {configuration.host} can be reached by others, and there are no keys. Add [keys.NAME]."
    certificate, key_file = configuration.tls_certificate, configuration.tls_key
    if (certificate is None) != (key_file is None):
        yield "tls_certificate: It goes with tls_key."
    for place, path in (("tls_certificate", certificate), ("tls_key", key_file)):
        if path is not None and not path.is_file():
            yield f"{place}: There is no file {path}."


def _model_problems(model: ModelTable, configuration: Configuration, environment: Mapping[str, str]) -> Iterator[str]:
    if model.provider not in PROVIDERS:
        yield f"provider: There is no provider {model.provider!r}. There is: {', '.join(PROVIDERS)}."
    for place in ("key_variable", "chat_key_variable"):
        variable = getattr(model, place)
        if variable is not None and not environment.get(variable):
            yield f"{place}: The environment variable {variable} is not set."
    for name in model.fallbacks:
        if name not in configuration.models:
            yield f"fallbacks: There is no model {name!r}."
        elif configuration.models[name].fallbacks:
            yield f"fallbacks: {name!r} has fallbacks of its own; name them here."
    if model.provider != "local" and (model.chat_model or model.chat_url or model.hints):
        yield "chat_model: chat_model, chat_url and hints go with the provider local."
    if model.chat_url is not None and model.chat_model is None:
        yield "chat_url: It needs chat_model."


def _key_problems(key: KeyTable, configuration: Configuration, environment: Mapping[str, str]) -> Iterator[str]:
    if (key.hash is None) == (key.variable is None):
        yield "hash: A key has either hash or variable."
    if key.hash is not None and not is_hash(key.hash):
        yield "hash: It is none. `duologue serve --new-key` makes a key, and prints its hash."
    if key.variable is not None and len(environment.get(key.variable, "")) < 16:
        yield f"variable: The environment variable {key.variable} is not set, or holds fewer than 16 characters."
    for name in sorted((key.models or set()) - set(configuration.models)):
        if configuration.models:
            yield f"models: There is no model {name!r}."
    for name in sorted((key.client_may or set()) - set(SessionOptions.__struct_fields__)):
        yield f"client_may: There is no option {name!r}."
