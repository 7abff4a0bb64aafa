"""What 20 ms of resampling cost, how much of a tone above the new Nyquist frequency comes through, and the delay."""

from __future__ import annotations

import time

import numpy as np

from duologue.audio import Resampler

_RATES = ((24_000, 16_000), (22_050, 24_000), (8_000, 16_000), (16_000, 24_000), (48_000, 24_000), (24_000, 8_000))
_SECONDS = 4


def _tone(rate: int, frequency: float) -> bytes:
    time_axis = np.arange(rate * _SECONDS) / rate
    return (20_000 * np.sin(2 * np.pi * frequency * time_axis)).astype("<i2").tobytes()


def _cost_us(source: int, target: int) -> float:
    chunk = _tone(source, 440.0)[: source // 50 * 2]
    resampler = Resampler(source, target)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(400):
            resampler.process(chunk)
        best = min(best, (time.perf_counter() - start) / 400)
    return best * 1e6


def _alias_db(source: int, target: int) -> float | None:
    if target >= source:
        return None
    resampler = Resampler(source, target)
    out = np.frombuffer(resampler.process(_tone(source, target / 2 * 1.25)), "<i2").astype(float)
    steady = out[target // 4 :]
    return float(20 * np.log10(max(np.sqrt(np.mean(steady**2)), 0.3) / (20_000 / np.sqrt(2))))


def main() -> None:
    print(f"{'':<18}{'µs per 20 ms':>14}{'alias dB':>10}{'delay ms':>10}")
    for source, target in _RATES:
        alias = _alias_db(source, target)
        shown = "" if alias is None else f"{alias:.0f}"
        delay = Resampler(source, target).delay_ms
        print(f"{source:>6} → {target:<9}{_cost_us(source, target):>14.1f}{shown:>10}{delay:>10.2f}")


if __name__ == "__main__":
    main()
