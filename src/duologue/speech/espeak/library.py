"""espeak-ng through ctypes: one voice machine for the whole process.

espeak-ng keeps everything in global variables. It is therefore started once, never terminated, and entered
by one thread at a time: two at once end the process.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from duologue.errors import MissingDependency, SpeechFailed
from duologue.speech.espeak.location import Installation, installations, short_path

# Names and values of espeak-ng's speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_POSITION_CHARACTER = 1
_CHARS_UTF8 = 0x0001
_END_PAUSE = 0x1000
_PARAMETER_RATE = 1
_EVENT_LIST_TERMINATED = 0
_EVENT_WORD = 1

SLOWEST, FASTEST = 80, 449
"""The words a minute that it can speak. From 450 on it squeezes the audio, and its word events are off."""

# 60 ms is the least that espeak-ng fills before it calls back, whatever it is asked for.
_BUFFER_MS = 60


class WordEvent(NamedTuple):
    """espeak-ng begins a word.

    Attributes:
        character: Where it sees the word: index of a character of the text, now and then one or two off.
        sample: The first sample of the word, counted from the start of the text.
    """

    character: int
    sample: int


Receive = Callable[[bytes, list[WordEvent]], bool]
"""Takes the next piece of s16le audio and the words that begin in it; False stops the synthesis."""


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


class _Voice(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


class EspeakLibrary:
    """The process' espeak-ng. Take it from `load`; there is one only.

    Attributes:
        sample_rate: Samples a second of what it speaks, in Hz.
        voices: The names of its voices, each with espeak-ng's own identifier; aliases are in it too.
        names: The first name of every voice, sorted.
        variants: The ways to alter a voice, as in ``"en-us+f3"``: names in lower case with espeak-ng's own.
    """

    def __init__(self, native: ctypes.CDLL, installation: Installation) -> None:
        self._native = native
        self._lock = threading.Lock()
        self._selected: tuple[str, int] | None = None
        self._receive: Receive | None = None
        self._declare()
        data = None if installation.data is None else bytes(short_path(installation.data))
        self.sample_rate: int = native.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, _BUFFER_MS, data, _INITIALIZE_DONT_EXIT
        )
        if self.sample_rate <= 0:
            raise SpeechFailed(
                "espeak-ng could not start: its data is missing or of another version. Install it again: "
                'pip install --force-reinstall "duologue[local]"'
            )
        # espeak-ng calls it for as long as the process lives, so it must never be collected.
        self._callback = _Callback(self._on_piece)
        native.espeak_SetSynthCallback(self._callback)
        self.names, self.voices = self._list_voices()
        self.variants = self._list_variants()

    def speak(self, text: str, *, voice: str, words_per_minute: int, pause_after: bool, receive: Receive) -> None:
        """Speak a text to its end, or until `receive` returns False. Blocks; other threads wait their turn.

        Args:
            text: Plain text without control characters and lone surrogates.
            voice: An identifier out of `voices`, perhaps with ``+`` and one out of `variants`.
            words_per_minute: `SLOWEST` to `FASTEST`.
            pause_after: Whether to end with the pause that belongs to the last punctuation mark.
            receive: Called in this thread; must not raise.

        Raises:
            SpeechFailed: espeak-ng refused the voice or the text.
        """
        encoded = text.encode() + b"\0"
        flags = _CHARS_UTF8 | (_END_PAUSE if pause_after else 0)
        with self._lock:
            self._select(voice, words_per_minute)
            self._receive = receive
            try:
                status = self._native.espeak_Synth(encoded, len(encoded), 0, _POSITION_CHARACTER, 0, flags, None, None)
            finally:
                self._receive = None
        if status != 0:
            raise SpeechFailed(f"espeak-ng could not speak: status {status}.")

    def _on_piece(self, samples: int | None, count: int, events: Any) -> int:
        """Called by espeak-ng from within `espeak_Synth`, in the same thread; 1 makes it stop."""
        if self._receive is None:
            return 1
        audio = ctypes.string_at(samples, count * 2) if samples and count > 0 else b""
        return 0 if self._receive(audio, list(_words(events))) else 1

    def _select(self, voice: str, words_per_minute: int) -> None:
        if self._selected == (voice, words_per_minute):
            return
        self._selected = None
        if self._native.espeak_SetVoiceByName(voice.encode()) != 0:
            raise SpeechFailed(f"espeak-ng could not load the voice {voice!r}. Choose another one.")
        self._native.espeak_SetParameter(_PARAMETER_RATE, words_per_minute, 0)
        self._selected = (voice, words_per_minute)

    def _list_voices(self) -> tuple[tuple[str, ...], dict[str, str]]:
        found = [(identifier, languages) for identifier, languages in self._voices_like(None) if languages]
        names = {languages[0]: identifier for identifier, languages in reversed(found)}
        aliases = {alias: identifier for identifier, languages in reversed(found) for alias in languages}
        return tuple(sorted(names)), aliases | names

    def _list_variants(self) -> dict[str, str]:
        identifiers = (identifier for identifier, _ in self._voices_like(b"variant"))
        names = (identifier.removeprefix("!v/") for identifier in identifiers)
        return {name.lower(): name for name in names}

    def _voices_like(self, language: bytes | None) -> list[tuple[str, list[str]]]:
        """Identifier and languages of each voice; espeak-ng's own list lives until the next call only."""
        like = _Voice(languages=ctypes.cast(ctypes.c_char_p(language), ctypes.c_void_p))
        listed = self._native.espeak_ListVoices(None if language is None else ctypes.byref(like))
        voices: list[tuple[str, list[str]]] = []
        while listed[len(voices)]:
            voice = listed[len(voices)].contents
            voices.append((voice.identifier.decode(), list(_languages(voice.languages))))
        return voices

    def _declare(self) -> None:
        native = self._native
        native.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
        native.espeak_SetSynthCallback.argtypes = [_Callback]
        native.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
        native.espeak_SetParameter.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int]
        native.espeak_ListVoices.argtypes = [ctypes.POINTER(_Voice)]
        native.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        native.espeak_Synth.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ]


def _words(events: Any) -> Iterator[WordEvent]:
    index = 0
    while (event := events[index]).type != _EVENT_LIST_TERMINATED:
        if event.type == _EVENT_WORD:
            yield WordEvent(event.text_position - 1, event.sample)
        index += 1


def _languages(address: int | None) -> Iterator[str]:
    """Reads espeak-ng's list: a priority byte and a zero-terminated name, over and over, then a zero byte."""
    while address and ctypes.string_at(address, 1) != b"\0":
        name = ctypes.string_at(address + 1)
        yield name.decode().lower()
        address += len(name) + 2


_loading = threading.Lock()
_loaded: EspeakLibrary | None = None


def load() -> EspeakLibrary:
    """The process' espeak-ng, initialised at the first call (about 40 ms, blocking).

    Raises:
        MissingDependency: There is no espeak-ng.
        SpeechFailed: There is one, but it does not start.
    """
    global _loaded
    with _loading:
        if _loaded is None:
            _loaded = open_first(installations())
        return _loaded


def open_first(candidates: Iterable[Installation]) -> EspeakLibrary:
    """The first of the candidates that can be opened, initialised.

    Raises:
        MissingDependency: None of them can.
        SpeechFailed: The one that can does not start.
    """
    for installation in candidates:
        try:
            native = ctypes.CDLL(installation.library)
        except OSError:
            continue
        return EspeakLibrary(native, installation)
    raise MissingDependency(
        "espeak-ng",
        'Run: pip install "duologue[local]" (or the system package, e.g. apt install libespeak-ng1).',
    )
