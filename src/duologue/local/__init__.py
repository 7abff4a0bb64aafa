"""The embedded provider: hears, answers and speaks on the machine at hand."""

from duologue.local.client import LocalRealtimeClient

__all__ = ["LocalRealtimeClient"]
