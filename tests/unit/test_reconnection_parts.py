"""The pure parts of reconnection: waiting, the user's input, names of turns, what is owed, what is told anew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.errors import InvalidInput
from duologue.formats import PCM16_24K
from duologue.messages.base import ServerMessage
from duologue.middleware import Reconnection, keep_last
from duologue.middleware.reconnection.backoff import Backoff
from duologue.middleware.reconnection.carried import carried, result_as_text, whole
from duologue.middleware.reconnection.following import Following
from duologue.middleware.reconnection.kept_input import KeptInput
from duologue.middleware.reconnection.turn_names import TurnNames
from duologue.middleware.reconnection.unanswered import Unanswered
from duologue.options import OFF, SessionOptions
from duologue.testing.scripted import SCRIPTED_CAPABILITIES

# --- waiting ---
from links import EVERYTHING


def _backoff(attempts: int = 5, in_all: int = 100, chance: float = 1.0) -> Backoff:
    return Backoff(attempts, in_all, 0.5, 3.0, lambda: chance)


def test_waits_double_up_to_the_longest_and_end() -> None:
    backoff = _backoff()
    assert [backoff.next() for _ in range(6)] == [0.5, 1.0, 2.0, 3.0, 3.0, None]


def test_a_good_event_begins_a_new_count_but_not_for_the_session() -> None:
    backoff = _backoff(attempts=2, in_all=3)
    assert [backoff.next(), backoff.next(), backoff.next()] == [0.5, 1.0, None]
    backoff.good_event()
    assert [backoff.next(), backoff.next()] == [0.5, None]


@given(st.integers(0, 200), st.floats(0, 1))
def test_waits_are_spread_within_their_bound(attempt: int, chance: float) -> None:
    backoff = _backoff(attempts=1000, in_all=1000, chance=chance)
    for _ in range(attempt):
        backoff.next()
    delay = backoff.next()
    assert delay is not None
    assert 0 <= delay <= 3.0


# --- the user's input ---


def _audio(name: str) -> m.InputAudioAppend:
    return m.InputAudioAppend(id=name, audio=name.encode() * 2)


def _ids(kept: KeptInput) -> list[str | None]:
    return [message.id for message in kept.messages()]


def test_between_turns_only_the_last_moments_are_kept() -> None:
    kept = KeptInput(10_000, 300)
    for number in range(10):
        kept.note(_audio(str(number)), 100)
    assert _ids(kept) == ["7", "8", "9"]
    assert kept.offset_ms == 700
    assert kept.dropped_ms == 0


def test_what_is_being_said_is_kept_whole() -> None:
    kept = KeptInput(10_000, 300)
    for number in range(3):
        kept.note(_audio(str(number)), 100)
    kept.received(m.InputSpeechStarted())
    for number in range(3, 9):
        kept.note(_audio(str(number)), 100)
    assert len(kept) == 9


def test_what_is_too_much_is_dropped_from_the_front_and_said_so_if_nobody_heard_it() -> None:
    kept = KeptInput(500, 200)
    kept.note(_audio("heard"), 100)
    kept.cut_off()
    for number in range(8):
        kept.note(_audio(str(number)), 100)
    assert _ids(kept) == ["3", "4", "5", "6", "7"]
    assert kept.dropped_ms == 300
    assert kept.offset_ms == 400


def test_a_turn_that_the_server_found_goes_up_to_where_it_ends() -> None:
    kept = KeptInput(10_000, 10_000)
    kept.moved(1_000)
    kept.total_ms = 1_000
    kept.received(m.InputSpeechStarted(audio_start_ms=0))
    for number in range(5):
        kept.note(_audio(str(number)), 100)
    kept.received(m.InputSpeechStopped(audio_end_ms=300))
    kept.received(m.InputAudioCommitted(item_id="item_1"))
    assert _ids(kept) == ["3", "4"]
    assert (kept.turn, kept.turn_item) == (b"001122", "item_1")
    kept.answered()
    assert kept.turn == b""


def test_a_turn_that_the_application_marks_goes_up_to_its_mark() -> None:
    kept = KeptInput(10_000, 100)
    kept.is_manual = True
    start, end = m.UserTurnStart(id="start"), m.UserTurnEnd(id="end")
    kept.note(start)
    kept.note(_audio("a"), 500)
    kept.note(end)
    kept.note(_audio("b"), 500)
    assert _ids(kept) == ["start", "a", "end", "b"]
    kept.received(m.InputAudioCommitted(item_id="item_1"))
    assert _ids(kept) == ["b"]


def test_what_was_refused_is_not_kept() -> None:
    kept = KeptInput(10_000, 100)
    chunk = _audio("a")
    kept.note(chunk, 100)
    kept.forget(chunk)
    assert (len(kept), kept.total_ms) == (0, 0)


@given(st.lists(st.sampled_from(["audio", "cut", "moved", "start", "commit", "clear"]), max_size=60))
def test_never_more_than_the_bound_and_never_out_of_order(steps: list[str]) -> None:
    kept, number = KeptInput(1_000, 300), 0
    for step in steps:
        match step:
            case "audio":
                number += 1
                kept.note(_audio(f"{number:04}"), 100)
            case "cut":
                kept.cut_off()
            case "moved":
                kept.moved(kept.offset_ms)
            case "start":
                kept.received(m.InputSpeechStarted())
            case "commit":
                kept.received(m.InputAudioCommitted(item_id="i"))
            case _:
                kept.clear()
        ids = [message.id or "" for message in kept.messages()]
        assert ids == sorted(ids)
        assert len(ids) <= 10
        assert kept.total_ms == number * 100
        if ids:
            assert kept.offset_ms == kept.total_ms - 100 * len(ids)


# --- names of turns ---


def _begun(turn: str) -> m.InputSpeechStarted:
    return m.InputSpeechStarted(turn_id=turn)


def _name(names: TurnNames, message: ServerMessage) -> str:
    names.rename(message)
    return str(message.turn_id)


def test_turns_of_all_connections_are_counted_together() -> None:
    names = TurnNames()
    assert _name(names, _begun("turn_1")) == "turn_1"
    assert _name(names, m.TurnDone(turn_id="turn_1", outcome="completed")) == "turn_1"
    names.new_connection()
    assert _name(names, _begun("turn_1")) == "turn_2"
    assert _name(names, _begun("turn_2")) == "turn_3"


def test_a_turn_that_is_open_goes_on_over_the_next_connection() -> None:
    names = TurnNames()
    _name(names, _begun("turn_1"))
    names.new_connection()
    assert _name(names, _begun("turn_1")) == "turn_1"
    assert names.open == "turn_1"
    assert _name(names, m.TurnDone(turn_id="turn_1", outcome="completed")) == "turn_1"
    assert names.open is None


# --- what is owed ---


def _owing(detection: object = None) -> Unanswered:
    return Unanswered(SessionOptions(turn_detection=detection))  # type: ignore[arg-type]


def test_a_request_is_owed_until_a_response_begins() -> None:
    owed = _owing()
    request = m.ResponseCreate(id="r")
    owed.sent(request)
    assert list(owed.waiting) == [request]
    owed.received(m.ResponseCreated(response_id="resp"))
    assert not owed.waiting
    assert owed.active is not None
    assert owed.active.request is request
    owed.received(m.ResponseDone(response_id="resp"))
    assert owed.is_quiet


def test_a_turn_that_the_server_found_is_owed_an_answer() -> None:
    owed = _owing()
    owed.received(m.InputAudioCommitted(item_id="i"))
    assert owed.is_due
    owed.received(m.ResponseCreated(response_id="resp"))
    assert not owed.is_due


def test_a_turn_that_nobody_is_to_answer_is_not() -> None:
    for detection in (OFF, None):
        owed = _owing(detection)
        if detection is None:
            owed.sent(m.InputAudioCommit())
        owed.received(m.InputAudioCommitted(item_id="i"))
        assert not owed.is_due


def test_any_response_will_do_for_a_follow_up() -> None:
    owed = _owing()
    owed.received(m.InputAudioCommitted(item_id="i"))
    owed.sent(m.ResponseCreate(id="f", follow_up=True))
    owed.received(m.ResponseCreated(response_id="resp"))
    assert owed.waiting == ()


def test_a_refused_request_is_not_owed() -> None:
    owed = _owing()
    owed.sent(m.ResponseCreate(id="r"))
    owed.received(m.ErrorReported(kind="invalid_request", error=m.ErrorDetail(message="No."), cause_id="r"))
    assert owed.is_quiet


# --- what is told anew ---

_CALL = m.FunctionCall(id="c", call_id="call_1", name="add", arguments='{"a": 1, "b": 2}', status="completed")
_RESULT = m.FunctionResult(id="r", call_id="call_1", output="3")


def test_speech_is_told_as_words_and_without_its_state() -> None:
    spoken = m.MessageItem(
        id="i", role="assistant", status="incomplete", content=(m.AudioContent(audio=b"\0\0", transcript="Hello."),)
    )
    assert carried([spoken], Capabilities()) == (m.MessageItem.assistant("Hello.", id="i"),)


def test_speech_without_words_is_told_as_sound_or_named_as_such() -> None:
    spoken = m.MessageItem(id="i", role="user", content=(m.AudioContent(),))
    (told,) = carried([spoken], Capabilities(), audio={"i": m.AudioContent(audio=b"\1\0")})
    assert isinstance(told, m.MessageItem)
    assert told.content == (m.AudioContent(audio=b"\1\0"),)
    (told,) = carried([spoken], Capabilities())
    assert "no transcript" in told.text  # type: ignore[union-attr]


def test_an_answer_of_which_nothing_is_left_is_not_told() -> None:
    assert carried([m.MessageItem(id="i", role="assistant", content=(m.AudioContent(),))], Capabilities()) == ()


def test_calls_go_with_their_results_or_in_words() -> None:
    call, result = carried([_CALL, _RESULT], SCRIPTED_CAPABILITIES)
    assert isinstance(call, m.FunctionCall)
    assert result == m.FunctionResult(id="r", call_id="call_1", output="3", name="add")
    (words,) = carried([_CALL, _RESULT], SCRIPTED_CAPABILITIES, as_text=True)
    assert words == m.MessageItem.system("The function add(a=1, b=2), which you have called, has returned: 3", id="r")
    assert carried([_CALL], SCRIPTED_CAPABILITIES, lost_calls=["call_1"]) == ()


def test_a_result_in_words_says_what_failed() -> None:
    failed = m.FunctionResult(call_id="x", output="No.", name="add", is_error=True)
    assert "add()" in result_as_text(None, failed).text
    assert "has failed: No." in result_as_text(None, failed).text


def test_pictures_go_where_they_are_seen() -> None:
    picture = m.MessageItem.image(m.ImageContent(url="https://example.org/a.png"), "Look.", id="i")
    assert carried([picture], Capabilities()) == (m.MessageItem.user("Look.", id="i"),)
    (told,) = carried([picture], Capabilities(images=True))
    assert len(told.content) == 2  # type: ignore[union-attr]


def test_ids_that_are_too_long_for_others_are_left_out() -> None:
    (told,) = carried([m.MessageItem.user("Hello.", id="x" * 33)], Capabilities())
    assert told.id is None


def test_the_end_of_a_long_conversation_and_what_the_system_said_are_kept() -> None:
    items = (m.MessageItem.system("Be kind."), *(m.MessageItem.user(f"{n:03}") for n in range(100)))
    kept = keep_last(items=5)(items)
    assert [item.text for item in kept] == ["Be kind.", "095", "096", "097", "098", "099"]  # type: ignore[union-attr]
    short = keep_last(characters=6)(items)
    assert [item.text for item in short] == ["Be kind.", "098", "099"]  # type: ignore[union-attr]


def test_a_result_does_not_outlive_its_call() -> None:
    assert whole([_RESULT, _CALL, _RESULT]) == (_CALL, _RESULT)


@pytest.mark.parametrize(
    "wrong",
    [{"attempts": 0}, {"attempts_in_all": 0}, {"keep_input": -1}, {"first_delay": float("nan")}, {"rotate_after": 0}],
)
def test_settings_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        Reconnection(**wrong)  # type: ignore[arg-type]


# --- a provider's handle ---


def test_that_a_handle_does_not_vouch_for_what_the_user_has_only_just_said() -> None:
    following = Following(SessionOptions(), EVERYTHING, most_ms=1000, idle_ms=100, ask_again=True)
    following.begin("wire", "model", EVERYTHING)
    for item_id, role in (("asked", "user"), ("answered", "assistant"), ("asked again", "user")):
        item = m.MessageItem(id=item_id, role=role, content=(m.TextContent(text=item_id),), status="completed")  # type: ignore[arg-type]
        following.received(m.ItemAdded(item=item), 0.0)
        following.received(m.ItemDone(item=item), 0.0)
    following.received(m.ResumptionUpdated(handle="h", resumable=True), 0.0)
    assert following.handle is not None
    assert following.handle.items == {"asked", "answered"}


@pytest.mark.parametrize("told", [True, False], ids=["with its item", "without"])
@pytest.mark.parametrize("words", [None, "hello"])
def test_a_snapshot_tells_that_it_lacks_what_the_user_has_just_said(told: bool, words: str | None) -> None:
    """Sound is in no snapshot: without a transcript, nothing is known of a turn that has no answer yet."""
    following = Following(SessionOptions(), SCRIPTED_CAPABILITIES, most_ms=30_000, idle_ms=2_000, ask_again=True)
    following.begin("p", None, SCRIPTED_CAPABILITIES)
    following.sent(m.InputAudioAppend(audio=b"\1\0" * 2_400))
    following.received(m.InputAudioCommitted(item_id="i"), 0.0)
    if told:
        spoken = m.MessageItem(id="i", role="user", content=(m.AudioContent(transcript=words),))
        following.received(m.ItemAdded(item=spoken), 0.0)
    snapshot = following.snapshot(0.0)
    (item,) = snapshot.items
    assert item.id == "i"
    assert snapshot.owes_answer
    assert snapshot.lacks_words is not (told and words is not None)


def _moved(*texts: str) -> Following:
    """A conversation that goes on over a connection that repeats nothing of what it was told."""
    said = [m.MessageItem.user(text, id=f"u{n}") for n, text in enumerate(texts)]
    answers = [m.MessageItem.assistant("Yes.", id=f"a{n}") for n, _ in enumerate(texts)]
    history = tuple(item for pair in zip(said, answers, strict=True) for item in pair)
    options = SessionOptions(history=history)
    following = Following(options, SCRIPTED_CAPABILITIES, most_ms=30_000, idle_ms=2_000, ask_again=True)
    following.begin("p", None, SCRIPTED_CAPABILITIES)
    following.lose(0.0)
    following.items.replayed(history, SCRIPTED_CAPABILITIES)
    return following


def test_what_is_said_once_more_after_a_replay_is_no_echo_of_it() -> None:
    following = _moved("Go on.", "Go on.")
    again = m.MessageItem.user("Go on.", id="u9")
    following.sent(m.ItemCreate(item=again))
    assert following.received(m.ItemAdded(item=again), 0.0) == [m.ItemAdded(item=again)]
    assert following.received(m.ItemDone(item=again), 0.0) == [m.ItemDone(item=again)]
    following.received(m.ResponseCreated(response_id="r"), 0.0)
    answer = m.MessageItem.assistant("Yes.", id="a9")
    assert following.received(m.ItemAdded(item=answer), 0.0) == [m.ItemAdded(item=answer)]
    assert following.received(m.ItemDone(item=answer), 0.0) == [m.ItemDone(item=answer)]


def test_the_echo_of_a_replay_is_not_told_whatever_its_ids() -> None:
    following = _moved("One.", "Two.")
    for item_id, role, text in (("x1", "user", "One."), ("a0", "assistant", "Yes."), ("x3", "user", "Two.")):
        echo = m.MessageItem(id=item_id, role=role, content=(m.TextContent(text=text),))  # type: ignore[arg-type]
        assert following.received(m.ItemAdded(item=echo), 0.0) == []
        assert following.received(m.ItemDone(item=echo), 0.0) == []


@pytest.mark.parametrize(("played_ms", "stands"), [(0, False), (400, True), (1_000, True)])
def test_that_an_answer_stands_once_it_was_heard_even_if_all_that_came_of_it_was(played_ms: int, stands: bool) -> None:
    following = Following(SessionOptions(), SCRIPTED_CAPABILITIES, most_ms=30_000, idle_ms=2_000, ask_again=True)
    following.begin("p", None, SCRIPTED_CAPABILITIES)
    following.sent(m.ResponseCreate(id="q"))
    item = m.MessageItem(id="a", role="assistant", content=())
    for told in (
        m.ResponseCreated(response_id="r"),
        m.OutputItemAdded(response_id="r", item=item),
        m.ItemAdded(item=item),
        m.OutputAudioDelta(response_id="r", item_id="a", audio=bytes(48_000), format=PCM16_24K),
    ):
        following.received(told, 0.0)
    following.played(m.OutputAudioPlayed(item_id="a", played_ms=played_ms))
    out = following.lose(2.0)
    assert (m.ItemDeleted(item_id="a") not in out) is stands
    assert following.lost_responses == ["r"]
