"""How a tool wants its calls to be handled: what it says, and what makes no sense."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from duologue.errors import InvalidArguments, InvalidTool
from duologue.tools import FunctionTool, tool


def test_that_settings_are_fields_of_the_tool() -> None:
    @tool(
        on_interruption="cancel",
        scheduling="silent",
        needs_approval=True,
        filler="One moment, please.",
        filler_after=2,
        timeout=9,
    )
    def search(words: str) -> str:
        return words

    assert (search.on_interruption, search.background, search.scheduling) == ("cancel", False, "silent")
    assert (search.needs_approval, search.filler, search.filler_after) == (True, "One moment, please.", 2)
    assert search.timeout == 9
    read = msgspec.json.decode(msgspec.json.encode(search), type=FunctionTool)
    assert read == search
    assert not read.has_implementation


def test_that_nothing_is_stated_by_default() -> None:
    @tool
    def search(words: str) -> str:
        return words

    assert (search.on_interruption, search.background, search.needs_approval) == (None, False, False)
    assert (search.filler, search.filler_after) == (None, None)
    assert set(msgspec.json.decode(msgspec.json.encode(search))) == {"type", "name", "parameters"}


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"on_interruption": "stop"}, '"finish" or "cancel", not \'stop\''),
        ({"scheduling": "later"}, '"interrupt", "when_idle" or "silent"'),
        ({"filler_after": 0}, "filler_after is a number of seconds above 0"),
        ({"filler_after": float("nan")}, "filler_after is a number of seconds above 0"),
        ({"timeout": float("inf")}, "a timeout is a number of seconds above 0"),
        ({"background": True, "on_interruption": "cancel"}, "Leave background out, or cancel"),
    ],
)
def test_that_what_makes_no_sense_is_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidTool, match=complaint):
        FunctionTool(name="search", **settings)


def test_that_arguments_are_checked_without_a_call() -> None:
    @tool
    def search(words: str, most: int = 3) -> str:
        raise AssertionError("called")

    search.check('{"words": "a"}')
    search.check({"words": "a", "most": 1})
    for arguments in ("{}", '{"words": "a', '{"words": "a", "most": "many"}'):
        with pytest.raises(InvalidArguments):
            search.check(arguments)
    with pytest.raises(InvalidTool, match="declaration"):
        FunctionTool(name="search").check("{}")


async def test_that_a_condition_is_kept_beside_the_function() -> None:
    class Bank:
        @tool(needs_approval=lambda arguments: arguments["amount"] == 101)
        def pay(self, amount: int) -> int:
            return amount

    pay = Bank().pay
    assert pay.needs_approval
    assert not await pay.wants_approval({"amount": 1})
    assert await pay.wants_approval({"amount": 101})
    declaration = msgspec.structs.replace(pay)
    assert declaration == pay
    assert await declaration.wants_approval({"amount": 1})  # without its condition, every call does
    assert not await FunctionTool(name="pay").wants_approval({})
