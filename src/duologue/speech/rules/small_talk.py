"""Rules: fixed answers to what people say. Some are there from the start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from duologue.errors import InvalidInput, SpeechFailed
from duologue.speech.responder import ResponderRequest
from duologue.speech.rules.wording import first_example, listing
from duologue.tools import FunctionTool
from duologue.tools.phrases import ExamplePhrase, Literal

Answer = str | Callable[[ResponderRequest], str]

MOST_ABILITIES = 5
"""How many tools "what can you do" names: nobody remembers more by ear."""


@dataclass(frozen=True)
class Rule:
    """An answer, and the sentences that it answers.

    Attributes:
        phrases: The sentences. Capitals, punctuation, contractions and fillers ("um", "please") do not count. A
            slot, ``"my name is {name}"``, takes any words.
        answer: What is said; or a function that makes it of the request. It runs on the event loop: it computes
            a text, and waits for nothing.

    Raises:
        InvalidInput: There are no phrases, or the braces of one do not match.
    """

    phrases: tuple[str, ...]
    answer: Answer

    def __post_init__(self) -> None:
        if isinstance(self.phrases, str):
            raise InvalidInput(f"phrases is a sequence of sentences, not one str: write ({self.phrases!r},).")
        object.__setattr__(self, "phrases", tuple(self.phrases))
        if not self.parsed:
            raise InvalidInput("A rule needs at least one phrase.")

    @cached_property
    def parsed(self) -> tuple[ExamplePhrase, ...]:
        """The phrases, parsed."""
        return tuple(ExamplePhrase.parse(phrase) for phrase in self.phrases)

    @cached_property
    def hints(self) -> tuple[str, ...]:
        """The words of the phrases, without slots, as hints for a speech recogniser."""
        return tuple(part.text for phrase in self.parsed for part in phrase.parts if isinstance(part, Literal))

    def say(self, request: ResponderRequest) -> str:
        """The answer.

        Raises:
            SpeechFailed: The function that makes it raised, or made no `str`.
        """
        if isinstance(self.answer, str):
            return self.answer
        try:
            answer = self.answer(request)
        except Exception as error:
            raise SpeechFailed(
                f"The rule for {self.phrases[0]!r} could not answer: its function raised {type(error).__name__}. "
                "Correct the function."
            ) from error
        if not isinstance(answer, str):
            raise SpeechFailed(
                f"The function of the rule for {self.phrases[0]!r} gave back {type(answer).__name__}. "
                "Let it return a str."
            )
        return answer


def small_talk_rules(greeting: str, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """What everybody says to a voice assistant sooner or later.

    Args:
        greeting: The answer to a greeting.
        rules: The rules of the application, which "what can you do" names when there are no tools.
    """

    def abilities(request: ResponderRequest) -> str:
        said = examples_of(request.tools, rules)[:MOST_ABILITIES]
        if not said:
            return "I can only make small talk so far."
        return f"You can say, for example, {listing(said, last='or')}."

    return (
        Rule(
            ("hello", "hello there", "hi", "hi there", "hey there", "good morning", "good afternoon", "good evening"),
            greeting,
        ),
        Rule(("how are you", "how are you doing"), "I am well, thank you. What can I do for you?"),
        Rule(
            ("thank you", "thank you very much", "thanks", "thanks a lot", "many thanks"),
            "You are welcome.",
        ),
        Rule(("goodbye", "good bye", "bye", "bye bye", "good night", "see you later"), "Goodbye."),
        Rule(
            ("who are you", "what are you", "what is your name"),
            "I am a voice assistant that works by fixed rules, without a language model.",
        ),
        Rule(("what can you do", "what can i say", "what can i ask you", "help", "help me"), abilities),
        Rule(
            (
                *("stop", "stop it", "stop talking", "enough", "that is enough", "that will do"),
                *("be quiet", "never mind", "forget it"),
            ),
            "All right.",
        ),
    )


def examples_of(tools: tuple[object, ...], rules: tuple[Rule, ...]) -> tuple[str, ...]:
    """What can be said, in quotation marks: one sentence for each tool, then one for each rule."""
    of_tools = [example for tool in tools if isinstance(tool, FunctionTool) and (example := first_example(tool))]
    of_rules = [rule.phrases[0] for rule in rules if not rule.parsed[0].slots]
    return tuple(f'"{example}"' for example in (*of_tools, *of_rules))
