"""Any realtime client behind OpenAI's realtime wire: ``pip install "duologue[server]"``."""

from __future__ import annotations

from duologue.gateway.app import Gateway, GatewaySettings, create_app
from duologue.gateway.bridge import bridge
from duologue.gateway.client_session import BridgeSettings
from duologue.gateway.fallbacks import FallbackClient
from duologue.gateway.grants import Authorize, Grant, Refused
from duologue.gateway.keys import Keys, hashed, key_of, new_key
from duologue.gateway.limits import Limits
from duologue.gateway.models import Model

__all__ = [
    "Authorize",
    "BridgeSettings",
    "FallbackClient",
    "Gateway",
    "GatewaySettings",
    "Grant",
    "Keys",
    "Limits",
    "Model",
    "Refused",
    "bridge",
    "create_app",
    "hashed",
    "key_of",
    "new_key",
]
