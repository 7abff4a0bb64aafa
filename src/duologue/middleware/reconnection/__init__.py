"""Sessions that outlive their connections."""

from __future__ import annotations

from duologue.middleware.reconnection.carried import keep_last
from duologue.middleware.reconnection.settings import Reconnection

__all__ = ["Reconnection", "keep_last"]
