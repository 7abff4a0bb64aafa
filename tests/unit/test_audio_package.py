from __future__ import annotations

import subprocess
import sys

import pytest

WITHOUT_NUMPY = """
import sys
sys.modules["numpy"] = None
from duologue.audio import AudioFormat, Converter, Resampler, decode_g711, encode_g711
from duologue.errors import MissingDependency
"""


def run(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=30
    ).stdout


def test_importing_it_loads_no_heavy_dependency() -> None:
    heavy = ("numpy", "sounddevice", "pydantic", "picows")
    assert run(f"import sys, duologue.audio\nprint([m for m in {heavy} if m in sys.modules])").strip() == "[]"


def test_every_public_name_is_there() -> None:
    import duologue.audio

    for name in duologue.audio.__all__:
        assert getattr(duologue.audio, name) is not None
    assert callable(duologue.audio.resample)


@pytest.mark.parametrize(
    "expression",
    [
        "Resampler(8000, 16000)",
        "Converter(AudioFormat('pcm16', 8000), AudioFormat('pcm16', 16000))",
        "decode_g711(b'x', 'pcmu')",
        "encode_g711(b'xx', 'pcma')",
    ],
)
def test_without_numpy_it_says_what_to_install(expression: str) -> None:
    program = f"{WITHOUT_NUMPY}try:\n    {expression}\nexcept MissingDependency as error:\n    print(error.remedy)"
    assert run(program).strip() == 'pip install "duologue[audio]"'


def test_what_needs_no_arithmetic_works_without_numpy() -> None:
    program = WITHOUT_NUMPY + "f = AudioFormat()\nprint(Converter(f, f).process(b'abc'))"
    assert run(program).strip() == "b'ab'"
