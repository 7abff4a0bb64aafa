"""The responder without a model."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import NamedTuple

import msgspec

from duologue.errors import SpeechFailed
from duologue.items import FunctionResult, Item, MessageItem
from duologue.options import FunctionChoice, McpChoice
from duologue.speech.responder import CallRequested, Finished, ResponderEvent, ResponderRequest, TextChunk
from duologue.speech.rules.results import speak_results
from duologue.speech.rules.small_talk import Rule, examples_of, small_talk_rules
from duologue.speech.rules.wording import count_words, first_words, listing, sentences
from duologue.tools import FunctionTool, Tool
from duologue.tools.phrases import ExamplePhrase, PhraseMatch, expand
from duologue.tools.words import Sentence

MOST_JOINTS = 6
"""How often a sentence is taken apart at most; what has more "and"s in it is a story, not a request."""
MOST_HINTS_KEPT = 32
"""For how many sets of tools the expected phrases are kept."""

_JOINT = re.compile(r"\s*[.!?;]+\s+|,?\s+(?:and\s+then|and|then)\s+", re.IGNORECASE)


class _Meaning(NamedTuple):
    """What a sentence asks for."""

    action: CallRequested | Rule
    score: float


class RulesResponder:
    """Answers without a model: the same words always get the same answer.

    What the user said last is compared with the example phrases of the tools and with the rules; the best match
    wins, a tool before a rule. Several requests in one, joined by "and" or as sentences, are done if each is
    understood. Results of functions are spoken. Rules do not read the instructions: they cannot follow them.

    Args:
        rules: Answers of the application; they come before the small talk that is there from the start.
        greeting: Said first when the assistant begins, and in return for a greeting.
        not_understood: Said when no rule and no tool fits; examples of what can be said follow.
        idle: Said when the user has been silent for too long.
        small_talk: Whether it answers small talk: greetings, thanks, "what can you do", "stop".

    Raises:
        InvalidInput: A rule has no phrases, or the braces of one do not match.
    """

    def __init__(
        self,
        rules: Sequence[Rule] = (),
        *,
        greeting: str = "Hello. What can I do for you?",
        not_understood: str = "Sorry, I did not understand that.",
        idle: str = "Are you still there?",
        small_talk: bool = True,
    ) -> None:
        self._rules = tuple(rules)
        self._all_rules = (*self._rules, *(small_talk_rules(greeting, self._rules) if small_talk else ()))
        self._greeting = greeting
        self._not_understood = not_understood
        self._idle = idle
        # By the identity of the tools, which are not hashable; the tools are kept so that no id is used again.
        self._expected: dict[tuple[int, ...], tuple[tuple[Tool, ...], tuple[str, ...]]] = {}

    def expects(self, tools: tuple[Tool, ...]) -> tuple[str, ...]:
        """The example phrases of `tools`, spelled out, and the phrases of the rules."""
        key = tuple(map(id, tools))
        if key not in self._expected:
            if len(self._expected) >= MOST_HINTS_KEPT:
                del self._expected[next(iter(self._expected))]
            self._expected[key] = (tools, self._phrases(tools))
        return self._expected[key][1]

    async def respond(self, request: ResponderRequest) -> AsyncGenerator[ResponderEvent, None]:
        """Answer, a sentence at a time. A word counts as one token of `ResponderRequest.max_output_tokens`.

        Raises:
            SpeechFailed: The function of a rule failed, or a tool of an MCP server was asked for.
        """
        room = request.max_output_tokens
        for event in self._events(request):
            if room is None or not isinstance(event, TextChunk):
                yield event
                continue
            words = count_words(event.text)
            if words > room:
                if begun := first_words(event.text, room):
                    yield TextChunk(begun)
                yield Finished("max_output_tokens")
                return
            room -= words
            yield event

    async def aclose(self) -> None:
        """There is nothing to let go of."""

    def _phrases(self, tools: tuple[Tool, ...]) -> tuple[str, ...]:
        phrases = [phrase for tool in tools if isinstance(tool, FunctionTool) for phrase in expand(tool)]
        phrases += [hint for rule in self._all_rules for hint in rule.hints]
        return tuple(dict.fromkeys(phrases))

    def _events(self, request: ResponderRequest) -> Iterator[ResponderEvent]:
        said = _last_words(request.items)
        if request.idle:
            yield from _speak(self._idle)
        elif results := _new_results(request.items):
            yield from _speak(speak_results(results))
        elif not request.understood:
            yield from self._not_understanding(_functions(request))
        elif said is None:
            yield from _speak(self._greeting)
        else:
            yield from self._answer(request, said)

    def _answer(self, request: ResponderRequest, said: str) -> Iterator[ResponderEvent]:
        functions = _functions(request)
        rules = self._all_rules if request.tool_choice in ("auto", "none") else ()
        meanings = _meanings(said, functions, rules)
        calls = [meaning.action for meaning in meanings if isinstance(meaning.action, CallRequested)]
        if not meanings or (len(calls) > 1 and not request.parallel_tool_calls):
            must_call = request.tool_choice not in ("auto", "none")
            if must_call and len(functions) == 1 and not functions[0].parameters.get("required"):
                yield CallRequested(functions[0].name, "{}")  # there is no choice, so it takes no words
            else:
                yield from self._not_understanding(functions)
            return
        answers = [meaning.action.say(request) for meaning in meanings if isinstance(meaning.action, Rule)]
        yield from _speak(" ".join(answers))
        yield from calls

    def _not_understanding(self, functions: tuple[FunctionTool, ...]) -> Iterator[ResponderEvent]:
        examples = examples_of(functions, self._rules)[:2]
        hint = f" You can say, for example, {listing(examples, last='or')}." if examples else ""
        yield from _speak(self._not_understood + hint)


def _last_words(items: Sequence[Item]) -> str | None:
    """What the user said last; None if that was never."""
    for item in reversed(items):
        if isinstance(item, MessageItem) and item.role == "user":
            return item.text
    return None


def _new_results(items: Sequence[Item]) -> list[FunctionResult]:
    """The results that nobody has heard yet: those at the end of the conversation."""
    results: list[FunctionResult] = []
    for item in reversed(items):
        if not isinstance(item, FunctionResult):
            break
        results.append(item)
    return results[::-1]


def _functions(request: ResponderRequest) -> tuple[FunctionTool, ...]:
    """The functions that may be called.

    Raises:
        SpeechFailed: The choice is a tool of an MCP server.
    """
    choice = request.tool_choice
    if isinstance(choice, McpChoice):
        raise SpeechFailed(
            f"Rules cannot call tools of the MCP server {choice.server_label!r}. Use a FunctionTool, or another "
            "tool_choice."
        )
    functions = tuple(tool for tool in request.tools if isinstance(tool, FunctionTool))
    if choice == "none":
        return ()
    if isinstance(choice, FunctionChoice):
        return tuple(tool for tool in functions if tool.name == choice.name)
    return functions


def _meanings(said: str, functions: tuple[FunctionTool, ...], rules: tuple[Rule, ...]) -> list[_Meaning]:
    """What `said` asks for, in order: as a whole, or else in parts that all mean something; [] if it is unclear."""
    if whole := _meaning(said, functions, rules):
        return [whole]
    joints = list(_JOINT.finditer(said))
    if len(joints) > MOST_JOINTS:
        return []
    for joint in joints:
        first = _meaning(said[: joint.start()], functions, rules)
        if first and (others := _meanings(said[joint.end() :], functions, rules)):
            return [first, *others]
    return []


def _meaning(said: str, functions: tuple[FunctionTool, ...], rules: tuple[Rule, ...]) -> _Meaning | None:
    sentence = Sentence(said)
    best: _Meaning | None = None
    for tool in functions:
        found = _best(tool.phrases, sentence)
        if found is not None and (best is None or found.score > best.score):
            arguments = msgspec.json.encode(found.arguments).decode()
            best = _Meaning(CallRequested(tool.name, arguments), found.score)
    for rule in rules:
        found = _best(rule.parsed, sentence)
        if found is not None and (best is None or found.score > best.score):
            best = _Meaning(rule, found.score)
    return best


def _best(phrases: Sequence[ExamplePhrase], sentence: Sentence) -> PhraseMatch | None:
    found = [matched for phrase in phrases if (matched := phrase.match(sentence)) is not None]
    return max(found, key=lambda matched: matched.score, default=None)


def _speak(text: str) -> Iterator[TextChunk]:
    return (TextChunk(sentence) for sentence in sentences(text))
