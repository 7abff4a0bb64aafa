"""Where espeak-ng and its data lie."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from duologue.errors import SpeechFailed

# espeak-ng keeps the path of its data in 160 bytes and fails to start when it does not fit.
LONGEST_DATA_PATH = 140

SYSTEM_LIBRARIES = ("libespeak-ng.so.1", "libespeak-ng.dylib", "libespeak-ng.dll")


class Installation(NamedTuple):
    """One espeak-ng to try: the library's path or name, and its data; None for the data it was built with."""

    library: str
    data: Path | None


def installations() -> Iterator[Installation]:
    """The wheel's espeak-ng if it is installed, then the system's."""
    try:
        import espeakng_loader
    except ImportError:
        pass
    else:
        yield Installation(espeakng_loader.get_library_path(), Path(espeakng_loader.get_data_path()))
    for name in SYSTEM_LIBRARIES:
        yield Installation(name, None)


def short_path(data: Path) -> Path:
    """A path to `data` that espeak-ng can take: itself, or a link that is removed when the process ends.

    Raises:
        SpeechFailed: The path is too long, and so is the path of the temporary directory.
    """
    if _fits(data):
        return data
    folder = Path(tempfile.mkdtemp(prefix="espeak-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    link = folder / "data"
    if not _fits(link):
        raise SpeechFailed(
            f"espeak-ng cannot take a data path of more than {LONGEST_DATA_PATH} bytes. "
            "Install it in a shorter path, or set TMPDIR to one."
        )
    link.symlink_to(data, target_is_directory=True)
    return link


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= LONGEST_DATA_PATH
