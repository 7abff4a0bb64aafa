"""What every session does, whatever its provider."""

from duologue.runtime.layers import LayeredClient, SessionLayer, wrap_sessions
from duologue.runtime.protocol_link import ProtocolLink
from duologue.runtime.provider_client import ProviderClient
from duologue.runtime.provider_link import ProviderLink
from duologue.runtime.sequencer import ResponseSequencer
from duologue.runtime.wrapping import WrappingClient

__all__ = [
    "LayeredClient",
    "ProtocolLink",
    "ProviderClient",
    "ProviderLink",
    "ResponseSequencer",
    "SessionLayer",
    "WrappingClient",
    "wrap_sessions",
]
