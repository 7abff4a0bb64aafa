"""An environment for each SDK, as its users have it: their pins clash with one another's, and with ours."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_FOLDER = _ROOT / ".venv-interop"
_PATIENCE = 600  # s, for everything that is downloaded

# What would call home, or trace.
_QUIET = {"OTEL_SDK_DISABLED": "true", "DO_NOT_TRACK": "1", "LOGFIRE_SEND_TO_LOGFIRE": "false"}


def python_with(*requirements: str) -> Path:
    """An interpreter with that installed, and nothing else; built first, where that is needed."""
    name = hashlib.sha256("\0".join((sys.version, *requirements)).encode()).hexdigest()[:12]
    folder = _FOLDER / name
    interpreter = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    stamp = folder / ".installed"
    if stamp.exists():
        return interpreter
    uv = shutil.which("uv")
    if uv is not None and not _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)):
        install = [uv, "pip", "install", "--quiet", "--python", str(interpreter)]
    else:
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        install = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if _run(*install, *requirements):
        raise RuntimeError(f"{' '.join(requirements)} cannot be installed into {folder}.")
    stamp.touch()
    return interpreter


def variables() -> dict[str, str]:
    """The environment variables of a program: none of this project's, and no proxy."""
    unwanted = ("PYTHON", "OPENAI", "DUOLOGUE", "VIRTUAL_ENV")
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith(unwanted)
    }
    return {**own, **_QUIET, "PYTHONUNBUFFERED": "1"}


def _run(*command: str) -> int:
    return subprocess.run(command, cwd=_ROOT, check=False, timeout=_PATIENCE).returncode
