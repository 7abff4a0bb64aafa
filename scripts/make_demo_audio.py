"""Record the questions of `duologue demo` again, with CMU Flite's synthetic voices.

    sudo apt-get install flite
    python scripts/make_demo_audio.py

Writes the WAV files and their index, `questions.json`, into `src/duologue/cli/assets`. The same Flite gives
the same bytes each time. Needs numpy, as the extra `local` does.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

ASSETS = Path(__file__).resolve().parents[1] / "src" / "duologue" / "cli" / "assets"
SAMPLE_RATE = 16_000
MARGIN_MS = 200
FADE_MS = 5
PEAK = 10 ** (-6 / 20)
"""Loudest sample, as a part of full scale: -6 dBFS."""
ROOM = 10 ** (-66 / 20)
"""Level of the noise under the recording, RMS: a quiet room, never digital silence."""
AUDIBLE = 10 ** (-36 / 20)
"""Speech begins and ends where it is louder than this, as a part of its own peak."""

LICENCE = (
    "Synthetic speech made with CMU Flite and the voices that come with it (http://cmuflite.org). Their "
    "BSD-like licence lets anyone use and distribute them, and puts no condition on the speech they make. "
    "The recordings are under this project's own licence."
)

Samples = npt.NDArray[np.float64]
"""Mono audio at `SAMPLE_RATE`, full scale being -1 to 1."""


@dataclass(frozen=True)
class Question:
    """One recording: its file name without suffix, the words, and the Flite voice that says them."""

    name: str
    text: str
    voice: str


# Each sentence has a voice in which it is recognised surely, also when quiet, noisy or cut closely.
QUESTIONS = (
    Question("time", "what time is it", "rms"),
    Question("multiply", "what is twelve times seven", "kal16"),
    Question("timer", "set a timer for five minutes", "kal16"),
    Question("light_on", "turn on the kitchen light", "slt"),
    Question("story", "tell me a story", "awb"),
    Question("enough", "that is enough thank you", "awb"),
    Question("light_off", "turn off the kitchen light", "slt"),
)


def synthesize(question: Question) -> Samples:
    """The spoken question as Flite gives it."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["flite", "-voice", question.voice, "-t", question.text, "-o", file.name], check=True)
        with wave.open(file.name) as wav:
            if (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) != (SAMPLE_RATE, 1, 2):
                sys.exit(f"The voice {question.voice!r} is not 16 kHz, mono, 16 bit: choose another.")
            samples = wav.readframes(wav.getnframes())
    return np.frombuffer(samples, dtype="<i2") / 32768


def trim(speech: Samples) -> Samples:
    """`speech` without the silence around it, its edges faded so that they do not click."""
    loud = np.flatnonzero(np.abs(speech) > AUDIBLE * np.abs(speech).max())
    fade = SAMPLE_RATE * FADE_MS // 1000
    trimmed = speech[max(loud[0] - fade, 0) : loud[-1] + fade].copy()
    ramp = np.linspace(0, 1, fade)
    trimmed[:fade] *= ramp
    trimmed[-fade:] *= ramp[::-1]
    return trimmed


def master(speech: Samples, seed: int) -> bytes:
    """`speech` at the common level with a margin before and after, over room noise, as s16le samples."""
    speech = trim(speech)
    margin = np.zeros(SAMPLE_RATE * MARGIN_MS // 1000)
    recording = np.concatenate([margin, speech * (PEAK / np.abs(speech).max()), margin])
    recording += np.random.default_rng(seed).normal(0, ROOM, recording.size)
    return np.round(recording * 32767).astype("<i2").tobytes()


def write_wav(path: Path, samples: bytes) -> None:
    """Write s16le mono samples at `SAMPLE_RATE`."""
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(SAMPLE_RATE)
        wav.writeframes(samples)


def main() -> None:
    """Make every recording and the index."""
    parser = argparse.ArgumentParser(description="Record the questions of `duologue demo` again.")
    parser.add_argument("folder", nargs="?", type=Path, default=ASSETS, help="where to write them")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    index = []
    for seed, question in enumerate(QUESTIONS):
        file = f"{question.name}.wav"
        try:
            speech = synthesize(question)
        except FileNotFoundError:
            sys.exit("flite is not installed. On Debian or Ubuntu: apt-get install flite")
        write_wav(folder / file, master(speech, seed))
        index.append({"file": file, "text": question.text, "voice": f"flite {question.voice}"})
    text = json.dumps({"licence": LICENCE, "questions": index}, indent=2)
    (folder / "questions.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
