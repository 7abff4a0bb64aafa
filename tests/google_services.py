"""What the tests of Google's two services share."""

from __future__ import annotations

from duologue.client import RealtimeClient
from duologue.options import SessionOptions
from duologue.providers import ConnectionSettings
from duologue.testing import GeminiEmulator

ONCE = ConnectionSettings(attempts=1, proxy=None)
MODEL = "gemini-2.5-flash-native-audio-preview-12-2025"
VARIABLES = (
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_GEMINI_BASE_URL",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_LOCATION",
    "GOOGLE_CLOUD_QUOTA_PROJECT",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
)
"""The environment that a test does not want."""


async def opened(emulator: GeminiEmulator, client: RealtimeClient, options: SessionOptions | None = None) -> None:
    """Open a session, and close it."""
    async with client, client.create_session(options):
        assert emulator.requests
