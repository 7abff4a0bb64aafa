"""Which tool a model means."""

from __future__ import annotations

from collections.abc import Iterable

from duologue import messages as m
from duologue.options import SessionOptions
from duologue.tools import FunctionTool


class CallableTools:
    """The tools of a session, by name.

    Args:
        additional: Those that need not be offered to be called.
    """

    def __init__(self, additional: Iterable[FunctionTool]) -> None:
        self._additional = {tool.name: tool for tool in additional}
        self._of_requests: dict[str, FunctionTool] = {}

    def note(self, request: m.ResponseCreate) -> None:
        """A response may call the tools of its request."""
        self._of_requests.update({tool.name: tool for tool in request.tools or () if isinstance(tool, FunctionTool)})

    def find(self, name: str, options: SessionOptions) -> FunctionTool | None:
        """The session's own tool comes first, then a request's, then an additional one."""
        return options.function(name) or self._of_requests.get(name) or self._additional.get(name)

    def explain_unknown(self, name: str, options: SessionOptions) -> str:
        """What to tell a model that calls what is not there."""
        offered = [tool.name for tool in options.tools or () if isinstance(tool, FunctionTool)]
        return f"There is no function {name!r}. There is: {', '.join((*offered, *self._additional)) or 'none'}."
