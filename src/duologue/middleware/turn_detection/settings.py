"""Finds the user's turns in front of any provider: the settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from duologue.audio import check_echo_cancellation
from duologue.client import RealtimeClient
from duologue.errors import InvalidInput
from duologue.middleware.turn_detection.layer import TurnDetectingClient
from duologue.speech.segmentation import SegmentationSettings
from duologue.speech.stages import VoiceActivityDetectorFactory


@dataclass(frozen=True, kw_only=True)
class TurnDetection:
    """Middleware that finds the user's turns itself: ``client.with_middleware(TurnDetection())``.

    The provider's own detection is switched off; it is told where turns begin and end, and gets no audio but theirs,
    with a little from before the first word. The reader gets `InputSpeechStarted` and `InputSpeechStopped` wherever the
    provider has no such messages. A user who speaks stops the answer.

    Attributes:
        detector: Makes the detector of a session; None: the best one that this machine has, which may take 40 ms to
            load once.
        segmentation: When sound counts as a turn.
        interrupts: Whether a user who begins to speak stops the answer.
        echo_gate: Whether the microphone counts as closed while an answer is played: for loudspeakers without echo
            cancellation. The user cannot interrupt then. What is played is known from `OutputAudioPlayed`, else
            reckoned.
        echo_cancellation: Whether what is played is taken out of the microphone's audio, for the detector and for the
            provider: the user can interrupt then. While the first 2 s are played, from which the room is learnt, the
            microphone counts as closed. Needs the extra ``aec``; it costs 2 to 5 % of a core.
        echo_tail: How long after the end of playback a closed microphone stays closed, in s.
        clock: Seconds of a monotonic clock.

    Raises:
        InvalidInput: A setting does not make sense.
        MissingDependency: Echo is to be cancelled, and pywebrtc-audio is not installed.
    """

    detector: VoiceActivityDetectorFactory | None = None
    segmentation: SegmentationSettings = field(default_factory=SegmentationSettings)
    interrupts: bool = True
    echo_gate: bool = False
    echo_cancellation: bool = False
    echo_tail: float = 0.3
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        if not self.echo_tail >= 0:
            raise InvalidInput(f"echo_tail is a time in s, not {self.echo_tail}.")
        if self.echo_gate and self.echo_cancellation:
            raise InvalidInput("echo_gate closes the microphone, echo_cancellation leaves it open: choose one of them.")
        if self.echo_cancellation:
            check_echo_cancellation()

    def __call__(self, client: RealtimeClient) -> RealtimeClient:
        return TurnDetectingClient(client, self)
