"""The embedded provider: a realtime model that needs no key and no network."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec

from duologue.capabilities import Capabilities
from duologue.errors import InvalidInput
from duologue.link import Link, ProviderMetadata
from duologue.local.checks import LocalChecks, has_voice
from duologue.local.detectors import DetectorSlot
from duologue.local.engine import EngineSettings, LocalEngine
from duologue.local.link import LocalLink
from duologue.local.settings import MODEL, PROVIDER, effective, local_capabilities
from duologue.local.speaking import DELTA_MS
from duologue.options import SessionOptions
from duologue.runtime.provider_client import ProviderClient
from duologue.speech.detectors import best_available_detector_factory
from duologue.speech.responder import Responder
from duologue.speech.silero import SileroPool
from duologue.speech.stages import SpeechToText, TextToSpeech, VoiceActivityDetectorFactory


class LocalRealtimeClient(ProviderClient):
    """Hears, answers and speaks on the machine at hand: ``pip install "duologue[local]"``.

    Voice activity detection → speech to text → a responder → text to speech, with the semantics of OpenAI's realtime
    API. Every stage can be replaced. Sessions share what the stages have loaded; closing the client closes the stages.

    Args:
        speech_to_text: None: PocketSphinx, in worker processes.
        responder: None: rules over the tools and their example phrases. `ChatResponder` puts any chat model here.
        text_to_speech: None: eSpeak NG.
        voice_activity: Makes detectors; None: Silero, or loudness where Silero is not installed.
        hints: Phrases that users are likely to say, beside those that the responder expects. With any hints, only words
            of such phrases are recognised, and better and faster than free dictation.
        lead_ms: How far ahead of playback audio is given out, in ms; at least 100.
        defaults: Options that hold for every session unless it states others.

    Raises:
        InvalidInput: `lead_ms` is too small.
        MissingDependency: A stage that is left out cannot be made. `create_session` raises it, too.
    """

    def __init__(
        self,
        *,
        speech_to_text: SpeechToText | None = None,
        responder: Responder | None = None,
        text_to_speech: TextToSpeech | None = None,
        voice_activity: VoiceActivityDetectorFactory | None = None,
        hints: tuple[str, ...] = (),
        lead_ms: float = 1_000,
        defaults: SessionOptions | None = None,
    ) -> None:
        super().__init__(defaults=defaults)
        if lead_ms < DELTA_MS:
            raise InvalidInput(f"lead_ms is at least {DELTA_MS} ms, the length of one delta; not {lead_ms}.")
        self._speech_to_text = speech_to_text or _pocketsphinx()
        self._responder = responder or _rules()
        self._text_to_speech = text_to_speech or _espeak()
        self._make_detector = voice_activity
        self._starting = asyncio.Lock()
        self._hints = tuple(hints)
        self._lead_ms = lead_ms

    @property
    def metadata(self) -> ProviderMetadata:
        return ProviderMetadata(provider=PROVIDER, model=MODEL)

    def capabilities(self, options: SessionOptions | None = None) -> Capabilities:
        return local_capabilities(options)

    async def open_link(self, options: SessionOptions, dropped: tuple[str, ...]) -> Link:
        make_detector = await self._start()
        if options.unsupported == "drop" and not has_voice(options.voice, self._text_to_speech.voices()):
            options, dropped = msgspec.structs.replace(options, voice=None), (*dropped, "voice")
        checks = LocalChecks(self._text_to_speech.voices())
        checks.options(effective(options))
        # What follows takes many milliseconds the first time: not on the event loop.
        await asyncio.to_thread(self._responder.expects, effective(options).tools or ())
        detectors = DetectorSlot(make_detector)
        settings = EngineSettings(
            make_detector=detectors,
            expects=self._responder.expects,
            synthesis_rate=self._text_to_speech.sample_rate,
            lead_ms=self._lead_ms,
            hints=self._hints,
            checks=checks,
        )
        link = LocalLink(
            LocalEngine(options, settings),
            self._speech_to_text,
            self._responder,
            self._text_to_speech,
            local_capabilities(options),
            self.metadata,
            dropped,
            detectors=detectors,
        )
        link.open()
        return link

    async def aclose(self) -> None:
        """End the sessions, and the workers and models of every stage."""
        try:
            await super().aclose()
        finally:
            await _to_its_end(self._close_stages())

    async def _start(self) -> VoiceActivityDetectorFactory:
        async with self._starting:
            self._check_open()
            await self._speech_to_text.start()
            await self._text_to_speech.start()
            if self._make_detector is None:
                self._make_detector = await asyncio.to_thread(best_available_detector_factory)
            return self._make_detector

    async def _close_stages(self) -> None:
        async with self._starting:
            stages = (self._responder, self._speech_to_text, self._text_to_speech)
            results = await asyncio.gather(*(stage.aclose() for stage in stages), return_exceptions=True)
            if isinstance(self._make_detector, SileroPool):
                self._make_detector.close()
        for error in filter(None, results):
            raise error


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Do `work` whole, also when whoever waits for it is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _pocketsphinx() -> SpeechToText:
    from duologue.speech.pocketsphinx import PocketSphinxSpeechToText

    return PocketSphinxSpeechToText()


def _espeak() -> TextToSpeech:
    from duologue.speech.espeak import EspeakTextToSpeech

    return EspeakTextToSpeech()


def _rules() -> Responder:
    from duologue.speech.rules import RulesResponder

    return RulesResponder()
