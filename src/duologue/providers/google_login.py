"""Who is calling Google Cloud: application default credentials, through ``google-auth``."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, NamedTuple

from duologue.errors import ConnectRefused, MissingDependency
from duologue.providers.keys import MissingKey
from duologue.secret import Secret

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class GoogleToken(NamedTuple):
    """What goes with one connection.

    Attributes:
        token: The access token.
        quota_project: The project that is billed, if it is another than the one that is called.
        project: The project that the credentials belong to, if they tell.
    """

    token: Secret
    quota_project: str | None
    project: str | None


class GoogleLogin:
    """Gives a token for every connection, a fresh one where the last has expired.

    Args:
        provider: Whose errors they are.
        credentials: Those to use; None: the application's default ones, which are looked for at the first connection.
    """

    def __init__(self, provider: str, credentials: Credentials | None) -> None:
        self._provider = provider
        self._credentials = credentials
        self._project: str | None = None
        self._lock = threading.Lock()  # connections that open side by side fetch one token together

    async def token(self) -> GoogleToken:
        """The token for the next connection. What waits for files or the network runs in a thread.

        Raises:
            MissingKey: There are no credentials.
            ConnectRefused: Google does not give a token for them.
            MissingDependency: google-auth is not installed.
        """
        credentials = self._credentials
        if credentials is None or not credentials.valid:
            credentials = await asyncio.to_thread(self._fresh)
        token = credentials.token
        if not isinstance(token, str) or not token:
            raise ConnectRefused("The credentials hold no token.", provider=self._provider)
        quota_project = credentials.quota_project_id
        return GoogleToken(Secret.of(token), quota_project if isinstance(quota_project, str) else None, self._project)

    def _fresh(self) -> Credentials:
        try:
            from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
            from google.auth.transport.requests import Request
        except ImportError as error:
            raise MissingDependency("google-auth", 'Run: pip install "duologue[gemini]"') from error
        with self._lock:
            try:
                if self._credentials is None:
                    self._credentials, self._project = _defaults()
                if not self._credentials.valid:
                    self._credentials.refresh(Request())  # type: ignore[no-untyped-call]
            except DefaultCredentialsError as error:
                raise MissingKey(
                    f"{self._provider} needs credentials, and there are none on this machine. Run: gcloud auth "
                    "application-default login. Or set GOOGLE_APPLICATION_CREDENTIALS, or pass credentials, "
                    "token_provider or api_key."
                ) from error
            except GoogleAuthError as error:
                raise ConnectRefused(
                    f"No token: google-auth raised {type(error).__name__}.",
                    provider=self._provider,
                    retryable=error.retryable,
                    hint="See what it raised; or log in anew: gcloud auth application-default login.",
                ) from error
            return self._credentials


def _defaults() -> tuple[Credentials, str | None]:
    import google.auth

    return google.auth.default(scopes=[_SCOPE])
