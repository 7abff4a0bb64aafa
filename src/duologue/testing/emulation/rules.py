"""What an emulated server refuses."""

from __future__ import annotations

import msgspec

from duologue import messages as m
from duologue.errors import InvalidInput
from duologue.formats import AudioFormat
from duologue.local.input import segmentation_settings
from duologue.options import FunctionChoice, ServerTurnDetection, SessionOptions, ToolChoice
from duologue.tools import FunctionTool, Tool


class WireChecks(msgspec.Struct, frozen=True):
    """Refuses what hosted servers refuse, and takes all else: options that change nothing here are only echoed."""

    def options(self, options: SessionOptions) -> None:
        """Refuse options.

        Raises:
            InvalidInput: A number is out of range, or a tool that there is not is to be called.
        """
        if options.speed is not None and not 0.25 <= options.speed <= 1.5:
            raise InvalidInput(f"Invalid 'session.audio.output.speed': {options.speed} is not between 0.25 and 1.5.")
        if isinstance(options.turn_detection, ServerTurnDetection):
            segmentation_settings(options.turn_detection)
        _check_choice(options.tool_choice, options.tools or ())

    def item(self, item: m.Item, input_audio: AudioFormat) -> None:
        """Refuse an item.

        Raises:
            InvalidInput: It is a reference, or audio of the assistant, which only the model makes.
        """
        if isinstance(item, m.ItemReference):
            raise InvalidInput("A reference is no item of a conversation.")
        said = item.content if isinstance(item, m.MessageItem) and item.role == "assistant" else ()
        if any(isinstance(part, m.AudioContent) for part in said):
            raise InvalidInput("Audio of the assistant cannot be added.")

    def request(self, request: m.ResponseCreate, options: SessionOptions) -> None:
        """Refuse a request.

        Raises:
            InvalidInput: A tool that there is not is to be called.
        """
        tools = request.tools if request.tools is not None else options.tools
        _check_choice(request.tool_choice or options.tool_choice, tools or ())


def _check_choice(choice: ToolChoice | None, tools: tuple[Tool, ...]) -> None:
    if isinstance(choice, FunctionChoice):
        names = [tool.name for tool in tools if isinstance(tool, FunctionTool)]
        if choice.name not in names:
            raise InvalidInput(f"Tool choice {choice.name!r} not found in the tools: {', '.join(names) or 'none'}.")
