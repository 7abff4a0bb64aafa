from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.items import FunctionResult
from duologue.speech.rules.results import speak_results
from duologue.speech.rules.wording import count_words, first_words, sentences
from duologue.tools import render_result


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("It is noon.", "It is noon."),
        ('"It is noon"', "It is noon"),
        ('{"text": "A.", "spoken": "B.", "message": "C."}', "B."),
        ('{"text": "A.", "message": "C."}', "A."),
        ('{"message": "C.", "code": 7}', "C."),
        ('{"text": "", "code": 7}', "The text is empty, the code is 7."),
        ('{"temperature": 21, "unit": "celsius"}', "The temperature is 21, the unit is celsius."),
        ('{"wind": {"topSpeed": 3.5, "last_gust": 7.0}}', "The wind top speed is 3.5, the wind last gust is 7."),
        ('{"URL": "x"}', "The URL is x."),
        (
            '{"names": ["Ada", "Bo"], "open": true, "by": null}',
            "The names are Ada and Bo, the open is yes, the by is unknown.",
        ),
        (
            '{"days": [{"high": 3}, {"high": 4}], "left": []}',
            "The days high is 3, the days high is 4, the left is empty.",
        ),
        (
            '{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":0}',
            "The a is 1, the b is 2, the c is 3, the d is 4, the e is 5, the f is 6, the g is 7, the h is 8, "
            "and 2 more.",
        ),
        ('{"error": "no such city"}', "Sorry, that did not work: no such city."),
        ("{}", "Done."),
        ("[]", "There is nothing."),
        ('["milk", "eggs"]', "Milk and eggs."),
        ('["milk"]', "Milk."),
        ("[0,1,2,3,4,5,6,7,8,9]", "0, 1, 2, 3, 4, 5, 6, 7 and 2 more."),
        ('[{"name": "A"}, {"text": "And B!"}]', "The name is A. And B!"),
        ("84", "The result is 84."),
        ("0.5", "The result is 0.5."),
        ("true", "Yes."),
        ("false", "No."),
        ("null", "Done."),
        ("", "Done."),
        (render_result(None), "Done."),
        ('{"a": ' * 9 + "1" + "}" * 9, "The a a a a is too much to say."),
        ("[" * 9 + "]" * 9, "That is too much to say."),
    ],
)
def test_wording_of_results(output: str, said: str) -> None:
    assert speak_results([FunctionResult(call_id="a", output=output)]) == said


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("no such city", "Sorry, that did not work: no such city."),
        ('"no such city."', "Sorry, that did not work: no such city."),
        ('{"error": "no such city", "code": 3}', "Sorry, that did not work: no such city."),
        ('{"message": "no such city"}', "Sorry, that did not work: no such city."),
        ("", "Sorry, that did not work."),
    ],
)
def test_wording_of_failures(output: str, said: str) -> None:
    assert speak_results([FunctionResult(call_id="a", output=output, is_error=True)]) == said


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.lists(json_values.map(json.dumps) | st.text(), min_size=1, max_size=3), st.booleans())
def test_any_result_can_be_spoken(outputs: list[str], is_error: bool) -> None:
    results = [FunctionResult(call_id="a", output=output, is_error=is_error) for output in outputs]
    assert speak_results(results).strip()


def test_results_nested_without_end() -> None:
    for output in ("[" * 900 + "]" * 900, '{"a":' * 900 + "1" + "}" * 900, "[" * 100_000):
        assert speak_results([FunctionResult(call_id="a", output=output)])


@given(st.text())
def test_sentences_are_the_text(text: str) -> None:
    assert "".join(sentences(text)) == text
    assert all(sentences(text))


@given(st.text(), st.integers(0, 5))
def test_first_words_are_that_many(text: str, count: int) -> None:
    begun = first_words(text, count)
    assert text.startswith(begun)
    assert count_words(begun) == min(count, count_words(text))
