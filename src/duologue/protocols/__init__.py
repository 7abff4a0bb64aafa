"""Wire ⇄ messages, without I/O."""

from duologue.protocols.base import Protocol, ProtocolState

__all__ = ["Protocol", "ProtocolState"]
