"""numpy, loaded when audio is first computed and not by `import duologue.audio`; and PCM as its arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from duologue.errors import MissingDependency

try:
    import numpy as np
except ImportError as error:
    raise MissingDependency("numpy", 'pip install "duologue[audio]"') from error

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["np", "samples_of", "to_pcm"]


def samples_of(pcm: bytes) -> NDArray[np.int16]:
    """The samples of s16le audio, on any machine's byte order."""
    samples: NDArray[np.int16] = np.frombuffer(pcm, "<i2")
    return samples


def to_pcm(samples: NDArray[np.floating[Any]]) -> bytes:
    """Round samples, in units of 16 bits, to s16le; what does not fit is clipped."""
    pcm: bytes = np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()
    return pcm
