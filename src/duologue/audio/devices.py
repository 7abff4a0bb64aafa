"""Sound devices, through PortAudio (`sounddevice`)."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any, Literal, Protocol, cast

import msgspec

from duologue.errors import DeviceUnavailable, MissingDependency

Direction = Literal["input", "output"]

# Below 40 ms a busy machine drops audio.
LATENCY_SECONDS = 0.04

_INSTALL_PORTAUDIO = (
    "Debian, Ubuntu: apt-get install libportaudio2. Fedora: dnf install portaudio. "
    "macOS: brew install portaudio, or reinstall sounddevice from its wheel, which brings it."
)
_DEVICE_NAMES = {"input": "microphone", "output": "speaker"}


class Device(msgspec.Struct, frozen=True):
    """A sound device.

    Attributes:
        index: Its number, which `MicrophoneSource` and `SpeakerSink` take.
        name: Its name; a part of it that no other device has will do as well as the number.
        input_channels: Channels that it records; 0 for a mere speaker.
        output_channels: Channels that it plays; 0 for a mere microphone.
        default_rate: The rate that it prefers, in Hz.
        is_default_input: Whether it is the microphone that is used if none is named.
        is_default_output: Whether it is the speaker that is used if none is named.
    """

    index: int
    name: str
    input_channels: int
    output_channels: int
    default_rate: int
    is_default_input: bool
    is_default_output: bool


class DeviceStream(Protocol):
    """What is used of `sounddevice.RawInputStream` and `RawOutputStream`."""

    @property
    def latency(self) -> float: ...

    def start(self) -> None: ...

    def close(self) -> None: ...


def list_devices() -> list[Device]:
    """All sound devices of this machine; an empty list if it has none.

    Raises:
        MissingDependency: sounddevice or PortAudio is not installed.
    """
    sounddevice = load_sounddevice()
    default_input, default_output = sounddevice.default.device
    return [
        Device(
            index=index,
            name=str(device["name"]),
            input_channels=int(device["max_input_channels"]),
            output_channels=int(device["max_output_channels"]),
            default_rate=int(device["default_samplerate"]),
            is_default_input=index == default_input,
            is_default_output=index == default_output,
        )
        for index, device in enumerate(sounddevice.query_devices())
    ]


def load_sounddevice() -> ModuleType:
    """Import sounddevice, which loads PortAudio.

    Raises:
        MissingDependency: One of them is not installed.
    """
    try:
        return importlib.import_module("sounddevice")
    except ImportError as error:
        raise MissingDependency("sounddevice", 'pip install "duologue[audio]"') from error
    except OSError as error:
        raise MissingDependency("The PortAudio library", _INSTALL_PORTAUDIO) from error


def device_rate(direction: Direction, device: int | str | None, rate: int) -> int:
    """The rate to open a device at, in Hz: `rate` if it takes that, else the one that it prefers.

    Raises:
        DeviceUnavailable: There is no such device.
        MissingDependency: sounddevice or PortAudio is not installed.
    """
    sounddevice = load_sounddevice()
    check = sounddevice.check_input_settings if direction == "input" else sounddevice.check_output_settings
    try:
        default_rate = int(sounddevice.query_devices(device, direction)["default_samplerate"])
    except (sounddevice.PortAudioError, ValueError) as error:
        reason = "this machine has none" if device is None else error
        raise unavailable(direction, device, reason) from error
    try:
        check(device=device, channels=1, dtype="int16", samplerate=rate)
    except sounddevice.PortAudioError:
        return default_rate
    return rate


def open_stream(
    direction: Direction,
    device: int | str | None,
    rate: int,
    *,
    block_frames: int,
    latency: float,
    callback: Callable[[Any, int, Any, Any], None],
    finished: Callable[[], None],
) -> DeviceStream:
    """Open a stream of mono s16le to or from a device. It is not started yet.

    Args:
        direction: Whether to record or to play.
        device: Number or name of the device; None for the default one.
        rate: Its rate, in Hz (see `device_rate`).
        block_frames: How many samples a callback takes or gives; 0 leaves it to the device.
        latency: How much audio the device buffers, in seconds.
        callback: Called in PortAudio's thread with the buffer to read or fill, frames, times and flags.
        finished: Called in PortAudio's thread when the stream ends, also by itself.

    Raises:
        DeviceUnavailable: The device cannot be opened.
        MissingDependency: sounddevice or PortAudio is not installed.
    """
    sounddevice = load_sounddevice()
    kind = sounddevice.RawInputStream if direction == "input" else sounddevice.RawOutputStream
    try:
        stream = kind(
            samplerate=rate,
            blocksize=block_frames,
            device=device,
            channels=1,
            dtype="int16",
            latency=latency,
            callback=callback,
            finished_callback=finished,
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        raise unavailable(direction, device, error) from error
    return cast("DeviceStream", stream)


def start_stream(direction: Direction, device: int | str | None, stream: DeviceStream) -> None:
    """Start a stream; close it if that does not work.

    Raises:
        DeviceUnavailable: The device refused.
    """
    try:
        stream.start()
    except load_sounddevice().PortAudioError as error:
        stream.close()
        raise unavailable(direction, device, error) from error


def unavailable(direction: Direction, device: int | str | None, reason: object) -> DeviceUnavailable:
    """The error that says which device does not work, why, and what to do."""
    which = f"The {_DEVICE_NAMES[direction]}" + ("" if device is None else f" {device!r}")
    return DeviceUnavailable(f"{which} is not available: {reason}. `duologue doctor` lists the devices.")
