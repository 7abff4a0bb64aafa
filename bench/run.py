"""Runs measurements and prints their tables: ``make bench``, or some of them: ``make bench ARGS="peers --quick"``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MEASUREMENTS = (
    ("Layers and the runtime", "layers"),
    ("Middleware", "middleware"),
    ("Without an event loop", "blocking"),
    ("WebSocket transports", "transport"),
    ("Beside the peers", "peers"),
    ("Gemini's wire, beside google-genai", "gemini"),
    ("Resampling", "resampling"),
    ("Voice activity detection", "voice_activity"),
    ("Echo cancellation", "echo"),
    ("Text to speech", "text_to_speech"),
    ("Speech to text", "speech_to_text"),
    ("A conversation", "conversation"),
    ("Interruption", "interruption"),
    ("Connections that break", "reconnection"),
    ("Sessions at once", "capacity"),
    ("The gateway under load", "gateway_load"),
)


def main() -> int:
    folder = Path(__file__).parent
    arguments = sys.argv[1:]
    first_option = next((place for place, word in enumerate(arguments) if word.startswith("-")), len(arguments))
    chosen, options = arguments[:first_option], arguments[first_option:]
    failed = []
    for title, module in MEASUREMENTS:
        if chosen and module not in chosen:
            continue
        print(f"\n=== {title} ({module}) ===\n", flush=True)
        if subprocess.run([sys.executable, "-m", module, *options], cwd=folder, check=False).returncode:
            failed.append(module)
    if failed:
        print(f"\nFailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
