"""Faults that wait for their moment."""

from __future__ import annotations

from dataclasses import dataclass

from duologue.testing.loopback import Fault


@dataclass
class _Planned:
    fault: Fault
    at: str | None
    left: int


class FaultPlan:
    """Which fault happens at which event."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []

    def add(self, fault: Fault, at: str | None, nth: int) -> None:
        """Plan a fault for the `nth` event of type `at`; None stands for a new connection."""
        if nth < 1:
            raise ValueError(f"nth counts from 1, and is {nth}.")
        self._planned.append(_Planned(fault, at, nth))

    def due(self, event: str | None) -> list[Fault]:
        """The faults that happen now, at such an event; they are then forgotten here."""
        due: list[Fault] = []
        for planned in list(self._planned):
            if planned.at == event:
                planned.left -= 1
                if planned.left == 0:
                    self._planned.remove(planned)
                    due.append(planned.fault)
        return due
