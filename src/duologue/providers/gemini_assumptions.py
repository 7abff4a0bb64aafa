"""What is taken for granted of Gemini Live, and was not verified against the live service."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec.structs import replace

from duologue.errors import InvalidInput
from duologue.protocols.gemini import GeminiDialect
from duologue.protocols.gemini.dialect import FAMILIES

Family = Literal["half-cascade", "gemini-2.5", "gemini-3.1", "gemini-3.8", "live-translate"]


class GeminiAssumptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a client of Gemini Live takes for granted, where it should be something else. None: as it is described.

    Attributes:
        family: What the model can do, as the generation of that name. By default the model's name tells it; one that
            tells nothing counts as ``"gemini-2.5"``.
        audio_stream_end: Whether `InputAudioEnd` is told with ``audioStreamEnd``. By default it is on the developer
            API, and on Vertex AI silence is sent in its place.
        empty_turn_complete: Whether an answer to what was added can be asked for with nothing but ``turnComplete``, as
            by default. Else the user is made to say ``"."``.

    Raises:
        InvalidInput: There is no such family.
    """

    family: Family | None = None
    audio_stream_end: bool | None = None
    empty_turn_complete: bool | None = None

    def __post_init__(self) -> None:
        if self.family is not None and self.family not in FAMILIES:
            raise InvalidInput(f"family is one of {', '.join(FAMILIES)}, not {self.family!r}.")

    def laid_over(self, dialect: GeminiDialect) -> GeminiDialect:
        """`dialect` with what is stated here."""
        return replace(
            dialect,
            family=dialect.family if self.family is None else FAMILIES[self.family],
            ends_audio_stream=dialect.ends_audio_stream if self.audio_stream_end is None else self.audio_stream_end,
            empty_requests=dialect.empty_requests if self.empty_turn_complete is None else self.empty_turn_complete,
        )
