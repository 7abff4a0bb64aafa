"""How a session begins."""

from __future__ import annotations

import warnings

import pytest

from duologue import messages as m
from duologue.client import DuologueWarning
from duologue.errors import UnsupportedOperation
from duologue.formats import AudioFormat
from duologue.options import NoiseReduction, SessionOptions
from duologue.testing.conformance.harness import Harness
from duologue.testing.conformance.talk import need, opened, talking

ODD_FORMAT = AudioFormat("pcm16", 11_025)

_PREFERENCES = {
    "voice": SessionOptions(voice="alloy"),
    "speed": SessionOptions(speed=1.25),
    "temperature": SessionOptions(temperature=0.7),
    "noise_reduction": SessionOptions(noise_reduction=NoiseReduction()),
}


class OpeningTests:
    """`create_session`: what it confirms, what it refuses, what it drops."""

    async def test_session_created_comes_first(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            first = await talk.read()
            assert isinstance(first, m.SessionCreated)
            assert first.options == talk.session.options

    async def test_a_session_can_be_awaited(self, harness: Harness) -> None:
        async with opened(harness) as client:
            session = await client.create_session(harness.options)
            assert session.ended is None
            assert isinstance(await anext(session), m.SessionCreated)
            await session.aclose()
            assert session.ended is not None

    async def test_options_that_are_stated_are_confirmed(self, harness: Harness) -> None:
        async with opened(harness) as client:
            can = client.capabilities(harness.options)
            stated = harness.stated(can)
            async with client.create_session(harness.options.merged(stated)) as session:
                for name in stated.stated():
                    assert getattr(session.options, name) == getattr(stated, name), name

    async def test_the_session_tells_who_is_at_the_other_end(self, harness: Harness) -> None:
        async with opened(harness) as client:
            assert client.metadata.provider
            async with client.create_session(harness.options) as session:
                assert session.metadata.provider == client.metadata.provider

    async def test_what_is_no_preference_is_not_dropped(self, harness: Harness) -> None:
        async with opened(harness) as client:
            need(client.capabilities(harness.options).input_formats is not None, "format that it does not take")
            options = harness.options.merged(SessionOptions(input_audio=ODD_FORMAT))
            with pytest.raises(UnsupportedOperation):
                await client.create_session(options, unsupported="drop")

    async def test_preferences_can_be_dropped(self, harness: Harness) -> None:
        async with opened(harness) as client:
            can = client.capabilities(harness.options)
            lacking = {name: options for name, options in _PREFERENCES.items() if name not in can.options}
            need(lacking, "preference that it cannot carry")
            for name, preference in lacking.items():
                wanted = harness.options.merged(preference)
                with pytest.raises(UnsupportedOperation) as refused:
                    await client.create_session(wanted)
                assert refused.value.provider == client.metadata.provider
                assert name in refused.value.operation
                with pytest.warns(DuologueWarning, match=name):
                    session = await client.create_session(wanted, unsupported="drop")
                assert session.dropped == (name,)
                await session.aclose()

    async def test_nothing_is_dropped_without_need(self, harness: Harness) -> None:
        async with opened(harness) as client:
            with warnings.catch_warnings():
                warnings.simplefilter("error", DuologueWarning)
                async with client.create_session(harness.options, unsupported="drop") as session:
                    assert session.dropped == ()

    @pytest.mark.parametrize("direction", ["input_audio", "output_audio"])
    async def test_a_format_that_it_lacks_is_refused_and_the_way_out_named(
        self, harness: Harness, direction: str
    ) -> None:
        async with opened(harness) as client:
            formats = getattr(client.capabilities(harness.options), f"{direction.split('_')[0]}_formats")
            need(formats is not None and ODD_FORMAT not in formats, "format that it does not take")
            options = harness.options.merged(SessionOptions(**{direction: ODD_FORMAT}))  # type: ignore[arg-type]
            with pytest.raises(UnsupportedOperation, match="AudioConversion"):
                await client.create_session(options)

    async def test_audio_conversion_makes_any_format_fit(self, harness: Harness) -> None:
        conversion = pytest.importorskip("duologue.middleware").AudioConversion
        pytest.importorskip("numpy")
        options = SessionOptions(input_audio=ODD_FORMAT, output_audio=ODD_FORMAT)
        async with opened(harness) as client:
            need("audio" in client.capabilities(harness.options).output_modalities, "speech")
        async with talking(harness, options, conversion()) as talk:
            assert talk.session.options.input_audio == ODD_FORMAT
            await talk.play(talk.silence(200))
            done = await talk.ask(harness.short_prompt)
            assert done.status == "completed"
            assert {delta.format for delta in talk.of(m.OutputAudioDelta)} == {ODD_FORMAT}

    async def test_seeded_items_are_in_the_conversation(self, harness: Harness) -> None:
        history = (m.MessageItem.user("My name is Ada."), m.MessageItem.assistant("Hello, Ada."))
        async with opened(harness) as client:
            need(client.capabilities(harness.options).seeding, "history to begin with")
        async with talking(harness, SessionOptions(history=history)) as talk:
            done = await talk.ask(harness.short_prompt)
            texts = [item.text for item in talk.conversation.items if isinstance(item, m.MessageItem)]
            assert texts == ["My name is Ada.", "Hello, Ada.", harness.short_prompt, talk.text_of(done)]
            assert all(item.id for item in talk.conversation.items)
