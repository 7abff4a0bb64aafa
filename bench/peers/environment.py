"""The environment of the peers. Their pins may clash with ours, so it is one of its own: ``.venv-peers``."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_FOLDER = _ROOT / ".venv-peers"
_REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_STAMP = _FOLDER / ".installed"
_PATIENCE = 600  # s, for everything that is downloaded

# What would call home, or trace.
_QUIET = {
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "LIVEKIT_DISABLE_TELEMETRY": "1",
    "OTEL_SDK_DISABLED": "true",
    "DO_NOT_TRACK": "1",
    "LOGFIRE_SEND_TO_LOGFIRE": "false",
}


class NotBuilt(Exception):
    """There is no environment, and why."""


def python() -> Path:
    """The interpreter with the peers in it; built first, where that is needed. What cannot be installed is told.

    Raises:
        NotBuilt: This project itself cannot be installed.
    """
    if not _STAMP.exists() or _STAMP.read_text() != _state():
        _build()
    return _interpreter()


def variables(trusted: str) -> dict[str, str]:
    """The environment variables of a client's process."""
    unwanted = ("_proxy", "pythondontwritebytecode")  # imports are timed as they usually are: compiled before
    own = {name: value for name, value in os.environ.items() if not name.lower().endswith(unwanted)}
    return {**own, **_QUIET, "SSL_CERT_FILE": trusted, "PYTHONHASHSEED": "0"}


def _interpreter() -> Path:
    return _FOLDER / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _state() -> str:
    """Changes with what is to be installed."""
    parts = [sys.version.encode(), _REQUIREMENTS.read_bytes(), (_ROOT / "pyproject.toml").read_bytes()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _build() -> None:
    print(f"Building {_FOLDER.name} for the peers", file=sys.stderr, flush=True)
    uv = shutil.which("uv")
    if uv is not None and not _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(_FOLDER)):
        install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(_interpreter())]
    else:
        _run(sys.executable, "-m", "venv", "--clear", str(_FOLDER))
        install = [str(_interpreter()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if _run(*install, "--editable", str(_ROOT)):
        raise NotBuilt(
            f"This project cannot be installed into {_FOLDER.name}, so nothing is measured beside the peers."
        )
    if _run(*install, "--requirement", str(_REQUIREMENTS)):  # then one by one, to leave out what does not install
        lines = [line.strip() for line in _REQUIREMENTS.read_text().splitlines()]
        for requirement in (line for line in lines if line and not line.startswith("#")):
            if _run(*install, requirement):
                print(f"{requirement} cannot be installed here, so it is left out.", file=sys.stderr, flush=True)
    _STAMP.write_text(_state())


def _run(*command: str) -> int:
    try:
        return subprocess.run(command, cwd=_ROOT, check=False, timeout=_PATIENCE).returncode
    except (OSError, subprocess.TimeoutExpired) as error:
        print(error, file=sys.stderr, flush=True)
        return 1
