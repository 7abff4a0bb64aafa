"""Who is let in, and to what."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from starlette.requests import HTTPConnection

from duologue.gateway.client_secrets import ClientSecret, ClientSecrets
from duologue.gateway.grants import Authorize, Grant, Refused
from duologue.gateway.keys import key_of
from duologue.gateway.models import Model, Models
from duologue.gateway.origins import check_origin

_KINDS = {"transcription": "transcription", "conversation": "conversation"}


class Admitted(msgspec.Struct, frozen=True):
    """A client that was let in.

    Attributes:
        grant: What it may do.
        name: The model that it asked for; None: it left that open.
        model: What is behind that.
        kind: The kind of session that it asked for; None: a conversation.
    """

    grant: Grant
    name: str | None
    model: Model
    kind: str | None


class Admission:
    """Looks at handshakes and requests.

    Args:
        models: The models that there are.
        authorize: Who may do what.
        secrets: The ephemeral keys.
        origins: Origins of web pages that may come in.
        hosts: The names of this server; None: any.
    """

    def __init__(
        self,
        models: Models,
        authorize: Authorize,
        secrets: ClientSecrets,
        origins: Collection[str],
        hosts: Collection[str] | None,
    ) -> None:
        self._models = models
        self._authorize = authorize
        self._secrets = secrets
        self._origins = origins
        self._hosts = hosts

    async def admit(self, connection: HTTPConnection) -> Admitted:
        """What a client gets that connects.

        Raises:
            Refused: Nothing.
        """
        check_origin(connection.headers, self._origins, self._hosts)
        asked = connection.query_params.get("model") or connection.query_params.get("deployment")
        kind = _KINDS.get(connection.query_params.get("intent", ""))
        secret = self._secrets.find(key_of(connection.scope))
        grant = await self._authorize(connection.scope) if secret is None else secret.grant
        if secret is not None:
            asked, kind = _bound(secret, asked, kind)
        name, model = self._models.find(asked, grant)
        return Admitted(grant, name, model, kind)

    async def grant(self, connection: HTTPConnection) -> Grant:
        """What whoever makes a request may do. Ephemeral keys are for sessions only.

        Raises:
            Refused: Nothing.
        """
        check_origin(connection.headers, self._origins, self._hosts)
        return await self._authorize(connection.scope)


def _bound(secret: ClientSecret, asked: str | None, kind: str | None) -> tuple[str | None, str | None]:
    """The model and the kind that an ephemeral key is bound to, or what is asked for."""
    if secret.model is not None and asked not in (None, secret.model):
        raise Refused(f"This key is for the model {secret.model!r}.", 403, "model_not_allowed")
    return secret.model or asked, secret.kind or kind
