"""What the library says when layers stand in the wrong order, or are not there."""

from __future__ import annotations

import warnings

import pytest

from duologue.client import DuologueWarning
from duologue.errors import InvalidInput
from duologue.runtime import LayeredClient, SessionLayer, wrap_sessions
from links import WireClient


class Sends(SessionLayer):
    sends = True


class Observes(SessionLayer):
    observes = True


class Neither(SessionLayer):
    """Changes nothing."""


@pytest.mark.parametrize(
    "order", [(Sends, Observes), (Sends, Neither, Observes), (Observes, Observes), (Sends, Sends), (Neither, Observes)]
)
async def test_that_a_good_order_is_taken(order: tuple[type[SessionLayer], ...]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", DuologueWarning)
        client = WireClient().with_middleware(*map(wrap_sessions, order))
        await (await client.create_session()).aclose()


@pytest.mark.parametrize("order", [(Observes, Sends), (Observes, Neither, Sends), (Observes, Sends, Observes)])
async def test_that_an_observer_outside_of_what_sends_is_warned_of(order: tuple[type[SessionLayer], ...]) -> None:
    client = WireClient().with_middleware(*map(wrap_sessions, order))
    with pytest.warns(DuologueWarning, match="Observes does not see what Sends sends") as caught:
        await (await client.create_session()).aclose()
    assert len(caught) == 1


async def test_that_a_warning_made_an_error_leaves_no_session() -> None:
    wire = WireClient()
    client = wire.with_middleware(wrap_sessions(Observes), wrap_sessions(Sends))
    with warnings.catch_warnings():
        warnings.simplefilter("error", DuologueWarning)
        with pytest.raises(DuologueWarning):
            await client.create_session()
    assert wire.link.end is not None


async def test_that_what_is_no_middleware_is_named_by_its_place() -> None:
    with pytest.raises(InvalidInput, match=r"number 2 .NoneType."):
        WireClient().with_middleware(wrap_sessions(Sends), None)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="NoneType is none"):
        wrap_sessions(Sends)(None)  # type: ignore[arg-type]


async def test_that_the_middleware_itself_is_found() -> None:
    settings = frozenset({"a"})
    client = LayeredClient(WireClient(), Sends, settings)
    assert client.require_service(frozenset) is settings
    assert client.require_service(LayeredClient) is client


async def test_that_what_is_required_is_there_or_named() -> None:
    wire = WireClient()
    client = wire.with_middleware(wrap_sessions(Sends))
    assert client.require_service(WireClient) is wire
    with pytest.raises(InvalidInput, match="There is no int in this chain"):
        client.require_service(int)
    session = await client.create_session()
    assert isinstance(session.require_service(Sends), Sends)
    with pytest.raises(InvalidInput, match="There is no Observes in this chain"):
        session.require_service(Observes)
    await session.aclose()
