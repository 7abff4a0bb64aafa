"""What `duologue serve` is told: by a TOML file, and by environment variables that begin with ``DUOLOGUE_``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from duologue.gateway.app import GatewaySettings
from duologue.gateway.client_session import BridgeSettings
from duologue.gateway.limits import Limits
from duologue.options import SessionOptions

PREFIX = "DUOLOGUE_"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class OptionsTable(_Table):
    """What sessions are like.

    Attributes:
        instructions: The system prompt.
        voice: The voice.
    """

    instructions: str | None = None
    voice: str | None = None

    def options(self) -> SessionOptions:
        """The same as session options."""
        return SessionOptions(instructions=self.instructions, voice=self.voice)


class ModelTable(_Table):
    """A model that clients can ask for: ``[models."gpt-realtime"]``.

    Attributes:
        provider: Who answers, e.g. ``"openai"`` or ``"local"``.
        model: The provider's own name of the model; with Azure, the deployment.
        base_url: Where the provider is, where that is not known.
        key_variable: The environment variable with the provider's key; else it is the provider's usual one.
        fallbacks: Names of models that answer where this one does not open a session.
        options: What its sessions are like.
        ignores: Options that clients state out of habit and that are dropped: a list of values, or true for any.
        hints: With the embedded provider, phrases that users are likely to say.
        chat_model: With the embedded provider, the chat model that answers.
        chat_url: Where it is.
        chat_key_variable: The environment variable with its key.
    """

    provider: str
    model: str | None = None
    base_url: str | None = None
    key_variable: str | None = None
    fallbacks: tuple[str, ...] = ()
    options: OptionsTable = OptionsTable()
    ignores: dict[str, tuple[str, ...] | Literal[True]] = {}
    hints: tuple[str, ...] = ()
    chat_model: str | None = None
    chat_url: str | None = None
    chat_key_variable: str | None = None


class KeyTable(_Table):
    """A key: ``[keys.web]``. Its name is for limits and records.

    Attributes:
        hash: The key's hash, as ``duologue serve --new-key`` prints it.
        variable: The environment variable that holds the key, instead of a hash.
        models: The models that may be asked for; None: all.
        client_may: The names of the session options that clients may change; None: all.
        options: What its sessions are like, over what the model's are.
        sessions: Sessions at once.
        sessions_a_minute: New sessions a minute.
        audio_seconds: Seconds of audio a day, in both directions together.
    """

    hash: str | None = None
    variable: str | None = None
    models: frozenset[str] | None = None
    client_may: frozenset[str] | None = None
    options: OptionsTable = OptionsTable()
    sessions: int | None = Field(default=None, ge=1)
    sessions_a_minute: float | None = Field(default=None, gt=0)
    audio_seconds: float | None = Field(default=None, gt=0)

    def limits(self) -> Limits:
        """Its limits."""
        return Limits(
            sessions=self.sessions, sessions_a_minute=self.sessions_a_minute, audio_seconds=self.audio_seconds
        )


_BOUNDS = BridgeSettings()


class SessionsTable(_Table):
    """What bounds every session: ``[sessions]``. See `BridgeSettings` for what each means."""

    open_after: float = Field(default=_BOUNDS.open_after, ge=0)
    send_timeout: float = Field(default=_BOUNDS.send_timeout, gt=0)
    idle_timeout: float | None = Field(default=_BOUNDS.idle_timeout, gt=0)
    longest: float | None = Field(default=_BOUNDS.longest, gt=0)
    max_frame_bytes: int = Field(default=_BOUNDS.max_frame_bytes, ge=1024)
    max_queued_bytes: int = Field(default=_BOUNDS.max_queued_bytes, ge=65_536)
    max_queued_messages: int = Field(default=_BOUNDS.max_queued_messages, ge=100)
    events_a_second: float = Field(default=_BOUNDS.events_a_second, gt=0)
    events_at_once: float = Field(default=_BOUNDS.events_at_once, ge=1)
    most: int | None = Field(default=None, ge=1, description="Sessions at once, of all together.")


class Configuration(BaseSettings):
    """Everything that `duologue serve` can be told.

    Attributes:
        host: The address to listen at. Beyond loopback, keys are needed.
        port: The port; 0: a free one.
        tls_certificate: A PEM file with the certificate chain.
        tls_key: A PEM file with its key.
        models: The models, by the names that clients ask for. Without any, the embedded provider answers, whatever is
            asked for.
        default_model: The model for clients that name none, or one that there is not.
        keys: The keys, by their names.
        allowed_origins: Origins of web pages that may connect.
        mcp_servers: Hosts, or connectors, of MCP servers that clients may name.
        image_hosts: Hosts of pictures that clients may name by address.
        passthrough: Whether events and fields that are not known go to providers as they are.
        sessions: What bounds every session.
        handshake_timeout: How long a connection may take to say what it wants, in s.
        drain_seconds: How long sessions that are under way may take to end when the server stops, in s.
        telemetry: Whether sessions are traced and measured with OpenTelemetry.
        log: How records are written: as text, or as lines of JSON.
        log_level: Which.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, protected_namespaces=()
    )

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    models: dict[str, ModelTable] = {}
    default_model: str | None = None
    keys: dict[str, KeyTable] = {}
    allowed_origins: frozenset[str] = frozenset()
    mcp_servers: frozenset[str] = frozenset()
    image_hosts: frozenset[str] = frozenset()
    passthrough: bool = False
    sessions: SessionsTable = SessionsTable()
    handshake_timeout: float = Field(default=10.0, gt=0)
    drain_seconds: float = Field(default=30.0, ge=0)
    telemetry: bool = False
    log: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, and the environment over the file."""
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls))

    def gateway_settings(self) -> GatewaySettings:
        """What holds for everybody."""
        bounds = self.sessions.model_dump()
        most = bounds.pop("most")
        return GatewaySettings(
            sessions=msgspec.convert(bounds, BridgeSettings),
            most_sessions=most,
            allowed_origins=self.allowed_origins,
            allowed_hosts=None if self.keys else LOOPBACK,
            passthrough=self.passthrough,
            mcp_servers=self.mcp_servers,
            image_hosts=self.image_hosts,
        )


LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
"""The names by which a server without keys may be called: other names may be those of a web page's owner."""
