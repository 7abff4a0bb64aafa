"""Layers around a session: ``client.with_middleware(FunctionInvocation(), AudioConversion())``."""

from duologue.middleware.audio_conversion import AudioConversion
from duologue.middleware.function_invocation import FunctionInvocation

__all__ = ["AudioConversion", "FunctionInvocation"]
