"""Runs every measurement and prints its table: ``make bench``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MEASUREMENTS = (
    ("Layers and the runtime", "layers.py"),
    ("WebSocket transports", "transport.py"),
    ("Resampling", "resampling.py"),
    ("Voice activity detection", "voice_activity.py"),
    ("Text to speech", "text_to_speech.py"),
    ("Speech to text", "speech_to_text.py"),
    ("A conversation", "conversation.py"),
    ("Interruption", "interruption.py"),
    ("Sessions at once", "capacity.py"),
)


def main() -> int:
    folder = Path(__file__).parent
    chosen = sys.argv[1:]
    failed = []
    for title, program in MEASUREMENTS:
        if chosen and program.removesuffix(".py") not in chosen:
            continue
        print(f"\n=== {title} ({program}) ===\n", flush=True)
        if subprocess.run([sys.executable, program], cwd=folder, check=False).returncode:
            failed.append(program)
    if failed:
        print(f"\nFailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
