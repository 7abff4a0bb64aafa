"""May this call run? The question, and who answers it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from duologue import messages as m
from duologue.errors import InvalidInput

_log = logging.getLogger(__name__)

_REMEMBERED = 64  # questions that are settled, to tell an answer that comes too late from one for the provider


@dataclass(frozen=True)
class Approval:
    """The answer to an `ApprovalRequested`.

    Attributes:
        approve: Whether the call may run.
        reason: Why not; told to the model.
    """

    approve: bool
    reason: str | None = None


Approve = Callable[[m.ApprovalRequested], Awaitable[Approval | bool]]
"""Decides about a call of a tool, or of an MCP server (`ApprovalRequested.server_label`)."""

TOO_LATE = Approval(approve=False, reason="Nobody answered in time.")
_NOT_ASKED = Approval(approve=False, reason="The question whether it may run failed.")


class Approvals:
    """The questions of a session that wait for an answer.

    Args:
        approve: Answers them; None: the reader does.
        timeout: Seconds after which a question counts as refused; None: it waits.
        ask_reader: Hands a question to the reader.
    """

    def __init__(
        self, approve: Approve | None, timeout: float | None, ask_reader: Callable[[m.ApprovalRequested], None]
    ) -> None:
        self._approve = approve
        self._timeout = timeout
        self._ask_reader = ask_reader
        self._asked: dict[str, tuple[m.ApprovalRequested, asyncio.Future[Approval]]] = {}
        self._settled: deque[str] = deque(maxlen=_REMEMBERED)  # those of functions, asked of the reader

    @property
    def asks_reader(self) -> bool:
        """Whether the reader answers, rather than a callback."""
        return self._approve is None

    async def decide(self, question: m.ApprovalRequested) -> Approval:
        """Ask, and wait for the answer: `TOO_LATE` if there is none in time. A callback that raises refuses.

        A question of the provider has reached the reader by itself.
        """
        limit = asyncio.timeout(self._timeout)
        try:
            async with limit:
                return await (self._ask(question) if self._approve is None else self._call(self._approve, question))
        except Exception as error:  # noqa: BLE001 - logged: nothing runs that was not allowed
            if limit.expired():
                return TOO_LATE
            _log.warning(
                "Asking for the approval of %s raised %s.", question.name, type(error).__name__, exc_info=error
            )
            return _NOT_ASKED

    async def _call(self, approve: Approve, question: m.ApprovalRequested) -> Approval:
        answer = await approve(question)
        # Only True means yes: not a text, say, that tells why not.
        return answer if isinstance(answer, Approval) else Approval(approve=answer is True)

    async def _ask(self, question: m.ApprovalRequested) -> Approval:
        answer: asyncio.Future[Approval] = asyncio.get_running_loop().create_future()
        self._asked[question.approval_id] = question, answer
        try:
            if question.server_label is None:
                self._ask_reader(question)
            return await answer
        finally:
            del self._asked[question.approval_id]
            if question.server_label is None:
                self._settled.append(question.approval_id)

    def is_for_provider(self, message: m.FunctionCallApproval) -> bool:
        """Whether the reader's answer goes on to the provider, being about no function of the application.

        Raises:
            InvalidInput: It is about one, and comes too late.
        """
        asked = self._asked.get(message.approval_id)
        if asked is not None:
            return asked[0].server_label is not None
        if message.approval_id in self._settled:
            raise InvalidInput(
                f"The call {message.approval_id} does not wait for an approval any more: it was answered, refused "
                "after approval_timeout, or cancelled."
            )
        return True

    def take(self, message: m.FunctionCallApproval) -> None:
        """Take the reader's answer. The first one counts."""
        asked = self._asked.get(message.approval_id)
        if asked is not None and not asked[1].done():
            asked[1].set_result(Approval(message.approve, message.reason))
