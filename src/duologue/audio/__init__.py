"""Audio formats, resampling, G.711, WAV files and devices.

Importing it loads neither numpy nor a device library; what needs one raises `MissingDependency` where it is absent.
"""

from __future__ import annotations

from duologue.audio.convert import Converter
from duologue.audio.devices import Device, list_devices
from duologue.audio.echo import EchoCanceller, check_echo_cancellation
from duologue.audio.g711 import decode_g711, encode_g711
from duologue.audio.microphone import MicrophoneSource
from duologue.audio.pacing import Pacer
from duologue.audio.playout import Heard, PlayoutBuffer
from duologue.audio.recorder import ConversationRecorder
from duologue.audio.resample import Resampler, resample
from duologue.audio.samples import SampleAligner, interleave
from duologue.audio.sinks import AudioSink, ClockedSink, MemorySink, WavSink
from duologue.audio.sources import AudioSource, MemorySource, RecordedSource, WavSource
from duologue.audio.speaker import SpeakerSink
from duologue.audio.wav import WavReader, WavWriter, read_wav, write_wav
from duologue.formats import AudioFormat, silent_bytes

__all__ = [
    "AudioFormat",
    "AudioSink",
    "AudioSource",
    "ClockedSink",
    "ConversationRecorder",
    "Converter",
    "Device",
    "EchoCanceller",
    "Heard",
    "MemorySink",
    "MemorySource",
    "MicrophoneSource",
    "Pacer",
    "PlayoutBuffer",
    "RecordedSource",
    "Resampler",
    "SampleAligner",
    "SpeakerSink",
    "WavReader",
    "WavSink",
    "WavSource",
    "WavWriter",
    "check_echo_cancellation",
    "decode_g711",
    "encode_g711",
    "interleave",
    "list_devices",
    "read_wav",
    "resample",
    "silent_bytes",
    "write_wav",
]
