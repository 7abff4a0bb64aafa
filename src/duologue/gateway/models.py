"""The models that an app offers, by the names that clients ask for."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from duologue.client import RealtimeClient
from duologue.gateway.grants import Grant, Refused
from duologue.options import SessionOptions


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """What is behind the name of a model.

    Attributes:
        client: Who answers.
        options: What its sessions are like.
        ignores: Options that clients state out of habit and that are dropped, as in `Terms.ignores`.
    """

    client: RealtimeClient
    options: SessionOptions = SessionOptions()
    ignores: Mapping[str, Collection[str]] = {}


class Models:
    """Finds models.

    Args:
        named: By their names.
        default: What a client gets that asks for a model of no such name; None: an error.
    """

    def __init__(self, named: Mapping[str, Model], default: Model | None = None) -> None:
        self._named = dict(named)
        self._default = default

    def names(self, grant: Grant) -> list[str]:
        """The names that may be asked for, in order."""
        return [name for name in self._named if grant.models is None or name in grant.models]

    def find(self, name: str | None, grant: Grant) -> tuple[str | None, Model]:
        """The model of that name, and the name; None: the default, without a name.

        Raises:
            Refused: There is none, or it is not for them.
        """
        if name is None and self._default is None and len(names := self.names(grant)) == 1:
            name = names[0]
        if name is None and self._default is None:
            raise Refused("You must provide a model parameter.", 400, "missing_model")
        known = name is not None and (grant.models is None or name in grant.models)
        found = self._named.get(name or "", self._default) if known or name is None else None
        if found is None:
            raise Refused(f"The model {name!r} does not exist or you do not have access to it.", 404, "model_not_found")
        return name, found
