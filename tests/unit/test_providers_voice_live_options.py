"""What only Voice Live knows: how it is written, read by the vendor's models, and replaced."""

from __future__ import annotations

from typing import Any

import pytest

from duologue.options import OFF, NoiseReduction, SemanticTurnDetection, ServerTurnDetection, SessionOptions
from duologue.protocols.openai import VOICE_LIVE
from duologue.protocols.openai.session_writing import write_session
from duologue.providers.voice_live import VoiceLiveRealtimeClient
from duologue.providers.voice_live_options import AzureEndOfUtterance, AzureTurnDetection, VoiceLiveSessionOptions
from duologue.testing import OpenAIEmulator

DETECTION = AzureTurnDetection(
    variant="multilingual",
    threshold=0.4,
    speech_ms=80,
    silence_ms=300,
    languages=["en", "de"],  # type: ignore[arg-type]
    end_of_utterance=AzureEndOfUtterance(threshold_level="high", timeout_ms=900),
)
WRITTEN: dict[str, Any] = {
    "turn_detection": {
        "type": "azure_semantic_vad_multilingual",
        "threshold": 0.4,
        "speech_duration_ms": 80,
        "silence_duration_ms": 300,
        "languages": ["en", "de"],
        "end_of_utterance_detection": {
            "model": "semantic_detection_v1",
            "threshold_level": "high",
            "timeout_ms": 900,
        },
    },
    "input_audio_noise_reduction": {"type": "azure_deep_noise_suppression"},
    "input_audio_echo_cancellation": {"type": "server_echo_cancellation"},
}
ALL = VoiceLiveSessionOptions(azure_turn_detection=DETECTION, deep_noise_suppression=True, echo_cancellation=True)


def written(options: SessionOptions) -> dict[str, Any]:
    return write_session(options, VOICE_LIVE)


def test_that_they_are_written_as_the_service_has_them() -> None:
    assert written(ALL) == WRITTEN
    assert written(VoiceLiveSessionOptions(azure_turn_detection=AzureTurnDetection())) == {
        "turn_detection": {"type": "azure_semantic_vad"}
    }
    off = VoiceLiveSessionOptions(deep_noise_suppression=False, echo_cancellation=False)
    assert written(off) == {"input_audio_noise_reduction": None, "input_audio_echo_cancellation": None}
    assert written(VoiceLiveSessionOptions(voice="alloy")) == {"voice": "alloy"}


def test_that_the_vendor_s_models_know_every_field() -> None:
    models = pytest.importorskip("azure.ai.voicelive.models")
    session = models.RequestSession(written(ALL))
    detection = session.turn_detection
    assert isinstance(detection, models.AzureSemanticVadMultilingual)
    assert (detection.speech_duration_ms, detection.silence_duration_ms) == (80, 300)
    assert isinstance(detection.end_of_utterance_detection, models.AzureSemanticDetection)
    assert detection.end_of_utterance_detection.timeout_ms == 900
    assert session.input_audio_noise_reduction.type == "azure_deep_noise_suppression"
    assert session.input_audio_echo_cancellation.type == "server_echo_cancellation"


def test_that_they_take_the_place_of_the_general_options() -> None:
    general = SessionOptions(turn_detection=ServerTurnDetection(silence_ms=1), noise_reduction=NoiseReduction())
    assert written(general.merged(ALL)) == WRITTEN
    assert written(VoiceLiveSessionOptions().merged(general).merged(ALL)) == WRITTEN


def test_that_later_options_replace_them() -> None:
    over = SessionOptions(turn_detection=OFF, noise_reduction=NoiseReduction())
    merged = ALL.merged(over)
    assert (merged.azure_turn_detection, merged.deep_noise_suppression) == (None, None)
    assert written(merged) == {
        "turn_detection": None,
        "input_audio_noise_reduction": {"type": "near_field"},
        "input_audio_echo_cancellation": {"type": "server_echo_cancellation"},
    }
    assert written(ALL.merged(VoiceLiveSessionOptions(echo_cancellation=False))) == {
        **WRITTEN,
        "input_audio_echo_cancellation": None,
    }
    raw = ALL.merged(SessionOptions(extra={"input_audio_echo_cancellation": None}))
    assert raw.echo_cancellation is None
    assert written(raw)["input_audio_echo_cancellation"] is None
    assert ALL.merged(None) is ALL


def test_that_the_server_s_word_for_it_does_not_replace_it() -> None:
    merged = ALL.merged(SessionOptions(turn_detection=SemanticTurnDetection(create_response=True)))
    assert merged.azure_turn_detection == DETECTION
    assert written(merged) == WRITTEN


async def test_a_session() -> None:
    async with OpenAIEmulator(dialect=VOICE_LIVE) as emulator:
        client = VoiceLiveRealtimeClient("m", endpoint=emulator.http_url, api_key="k")
        async with client.create_session(ALL) as session:
            [update] = emulator.session.received_of("session.update")
            assert update["session"] == WRITTEN
            assert isinstance(session.options, VoiceLiveSessionOptions)
            assert session.options.azure_turn_detection == DETECTION
