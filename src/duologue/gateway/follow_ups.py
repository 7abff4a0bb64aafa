"""Which of a client's requests ask for an answer that comes without being asked for. Pure."""

from __future__ import annotations

from duologue import messages as m


class FollowUps:
    """An upstream that goes on by itself when it has the results of its calls: to ask, too, would get two answers.

    Attributes:
        is_open: Such an answer is awaited, and has not begun.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._result: str | None = None  # the message with the last result that nobody has asked for an answer to

    def result_sent(self, message_id: str) -> None:
        """The client gives a result."""
        self._result, self.is_open = message_id, True

    def refused(self, message_id: str | None) -> None:
        """A message was refused: if it was the result, no answer comes of it."""
        if message_id is not None and message_id == self._result:
            self._result, self.is_open = None, False

    def forget(self) -> None:
        """The client goes on with something else."""
        self._result, self.is_open = None, False

    def begun(self) -> None:
        """A response begins."""
        self.is_open = False

    def covers(self, request: m.ResponseCreate, *, has_results: bool = False) -> bool:
        """Whether the answer that comes anyway is the one that is asked for.

        Args:
            request: What the client asks for.
            has_results: There are results that go to the upstream with it.
        """
        return (has_results or self._result is not None) and set(request.overrides()) <= {"metadata"}

    def asked_for(self) -> None:
        """The answer that comes anyway was asked for: another request is one more."""
        self._result = None
