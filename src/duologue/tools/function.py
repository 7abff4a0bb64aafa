"""Functions that a model can call."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from duologue.errors import InvalidTool
from duologue.tools.behaviour import ApprovalCondition, OnInterruption, Scheduling, check_behaviour

if TYPE_CHECKING:
    from duologue.tools.context import ToolContext
    from duologue.tools.implementation import Implementation
    from duologue.tools.phrases import ExamplePhrase

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def _no_parameters() -> dict[str, Any]:
    return {"type": "object", "properties": {}, "additionalProperties": False}


class FunctionTool(
    msgspec.Struct, frozen=True, kw_only=True, dict=True, tag_field="type", tag="function", omit_defaults=True
):
    """A function that a model can call: its declaration, and, if it was made from a callable, the callable.

    The constructor makes a declaration alone: the application answers its calls by itself. `tool` and
    `from_callable` make one that can be invoked. The callable is no part of equality, `repr` or JSON, and
    copies that are made field by field (`msgspec.structs.replace`, JSON, pickle) are declarations.

    A tool made from a callable is called like it. Made from a method in a class body, it binds to the
    instance that it is taken from, as a method does.

    Attributes:
        name: 1 to 64 ASCII letters, digits, ``_`` and ``-``.
        description: What it does and when to call it, for the model.
        parameters: A JSON schema of type object.
        examples: Sentences that should lead to a call, with parameters as slots: ``"set a timer for {minutes}
            minutes"``. Every required parameter has its slot.
        timeout: Seconds that whoever invokes the tool lets a call take; None for the invoker's default.
            `invoke` itself has no limit.
        on_interruption: What becomes of a call when the user moves on while it runs: ``"finish"`` or ``"cancel"``;
            None for the invoker's default.
        background: Whether the conversation goes on while a call runs, its result coming later.
        scheduling: When the model speaks of a result from the background: ``"interrupt"``, ``"when_idle"`` or
            ``"silent"``.
        needs_approval: Whether calls wait for an approval; with a condition, see `wants_approval`.
        filler: What is said when a call takes long; None for the invoker's default.
        filler_after: Seconds after which the filler is said; None for the invoker's default.

    Raises:
        InvalidTool: A model could not be offered this.
    """

    name: str
    description: str = ""
    parameters: dict[str, Any] = msgspec.field(default_factory=_no_parameters)
    examples: tuple[str, ...] = ()
    timeout: float | None = None
    on_interruption: OnInterruption | None = None
    background: bool = False
    scheduling: Scheduling = "when_idle"
    needs_approval: bool = False
    filler: str | None = None
    filler_after: float | None = None

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise InvalidTool(
                f"{self.name!r} cannot be the name of a tool, which has 1 to 64 of the letters a-z and A-Z, "
                "digits, _ and -. Pass another name."
            )
        check_behaviour(self)
        if not isinstance(self.parameters, dict) or self.parameters.get("type") != "object":
            raise InvalidTool(f'{self.name}: parameters is a JSON schema with type "object".')
        try:
            msgspec.json.encode(self.parameters)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidTool(f"{self.name}: parameters is not JSON: {error}") from error
        msgspec.structs.force_setattr(self, "examples", _sentences(self.name, self.examples))
        if self.examples:
            from duologue.tools.phrases import check_examples

            check_examples(self.name, self.phrases, self.parameters)

    @classmethod
    def from_callable(
        cls,
        function: Callable[..., object],
        *,
        name: str | None = None,
        description: str | None = None,
        examples: Sequence[str] = (),
        timeout: float | None = None,
        on_interruption: OnInterruption | None = None,
        background: bool = False,
        scheduling: Scheduling = "when_idle",
        needs_approval: bool | ApprovalCondition = False,
        filler: str | None = None,
        filler_after: float | None = None,
    ) -> FunctionTool:
        """Make a tool of a function, a method, a partial or a callable object, `async` or not.

        The schema comes from the annotations, defaults, `Annotated[..., pydantic.Field(...)]` and the
        docstring (Google, NumPy, Epydoc or reST style). A parameter without annotation takes any JSON value.
        A parameter annotated with `ToolContext` gets the context of the call and is not in the schema, nor
        is what a partial has bound by name. Every other parameter is an argument that the model gives.

        Args:
            function: What to call.
            name: The tool's name; the function's own by default. Lambdas, partials and objects need one.
            description: What it does; by default the docstring without its sections.
            examples: Sentences that should lead to a call, with slots.
            timeout: Seconds that the invoker lets a call take.
            on_interruption: What becomes of a call when the user moves on.
            background: Whether the conversation goes on while it runs.
            scheduling: When the model speaks of a result from the background.
            needs_approval: Whether calls wait for an approval; or a function, `async` or not, that tells it from the
                arguments as the model sent them.
            filler: What is said when a call takes long.
            filler_after: Seconds after which the filler is said.

        Raises:
            InvalidTool: A model cannot call it. The text says what to change.
        """
        from duologue.tools.docstrings import read_docstring
        from duologue.tools.implementation import Implementation

        name = _check_callable(function, name)
        docstring = read_docstring(function)
        condition = needs_approval if callable(needs_approval) else None
        implementation = Implementation.of(name, function, docstring.parameters, condition)
        tool = cls(
            name=name,
            description=docstring.description if description is None else description,
            parameters=implementation.signature.schema,
            examples=_sentences(name, examples),
            timeout=timeout,
            on_interruption=on_interruption,
            background=background,
            scheduling=scheduling,
            needs_approval=bool(needs_approval),
            filler=filler,
            filler_after=filler_after,
        )
        return tool._with(implementation)

    @property
    def has_implementation(self) -> bool:
        """Whether it can be invoked; False for a declaration alone."""
        return "implementation" in vars(self)

    @property
    def function(self) -> Callable[..., Any] | None:
        """What it was made from; None for a declaration alone."""
        return self._implementation.function if self.has_implementation else None

    @cached_property
    def phrases(self) -> tuple[ExamplePhrase, ...]:
        """The examples, parsed. A tool without any, as it comes over a wire, has those that its description quotes."""
        from duologue.tools.phrases import ExamplePhrase, quoted

        if not self.examples:
            return quoted(self.description, self.parameters)
        return tuple(ExamplePhrase.parse(example, self.parameters) for example in self.examples)

    def check(self, arguments: str | Mapping[str, object]) -> None:
        """See whether `arguments` fit, without calling the function.

        Args:
            arguments: A JSON object: the model's text, or parsed.

        Raises:
            InvalidArguments: They do not; the text tells the model why.
            InvalidTool: It is a declaration alone.
        """
        self._implementation.bind(arguments, None)

    async def wants_approval(self, arguments: Mapping[str, object]) -> bool:
        """Whether a call with these arguments has to be approved. What a condition raises is raised.

        Args:
            arguments: As the model sent them, parsed.
        """
        condition = self._implementation.condition if self.has_implementation else None
        if condition is None or not self.needs_approval:
            return self.needs_approval
        answer = condition(arguments)
        return bool(await answer if inspect.isawaitable(answer) else answer)

    async def invoke(self, arguments: str | Mapping[str, object], context: ToolContext | None = None) -> object:
        """Validate `arguments` and call the function: on the loop if it is `async`, else in a thread.

        The thread sees the caller's context variables. Cancelling this stops an `async` function; one that
        runs in a thread goes on to its end, and its result is dropped.

        Args:
            arguments: A JSON object: the model's text, or parsed.
            context: What the function's `ToolContext` parameter gets; by default one without a session.

        Returns:
            What the function returned. `render_result` makes text of it.

        Raises:
            InvalidArguments: The arguments do not fit; the text tells the model why.
            InvalidTool: It is a declaration alone.
        """
        return await self._implementation.call(arguments, context)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself, as if it were no tool."""
        return self._implementation.function(*args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> FunctionTool:
        """As a class attribute: the tool of the instance, if it was made from a method."""
        if instance is None or not self.has_implementation or not self._implementation.takes_self:
            return self
        return msgspec.structs.replace(self)._with(self._implementation.bound_to(instance))

    def __copy__(self) -> FunctionTool:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> FunctionTool:
        return self  # never changes, and neither a function nor its validator can be copied

    @property
    def _implementation(self) -> Implementation:
        implementation: Implementation | None = vars(self).get("implementation")
        if implementation is None:
            raise InvalidTool(f"{self.name} is a declaration without a function. Make it with @tool to call it.")
        return implementation

    def _with(self, implementation: Implementation) -> FunctionTool:
        attributes = vars(self)
        attributes["implementation"] = implementation
        attributes["__wrapped__"] = implementation.function  # for `inspect.signature`
        return self


def _sentences(name: str, examples: Sequence[str]) -> tuple[str, ...]:
    if isinstance(examples, str):
        raise InvalidTool(f"{name}: examples is a sequence of sentences, not one str.")
    return tuple(examples)


def _check_callable(function: object, name: str | None) -> str:
    """The name of the tool.

    Raises:
        InvalidTool: No tool can be made of `function`.
    """
    if isinstance(function, FunctionTool):
        raise InvalidTool(f"{function.name} is a tool already. Use it as it is, or pass its `function`.")
    if isinstance(function, classmethod | staticmethod):
        raise InvalidTool("Make a tool of a class method or static method from outside: tool(Class.method).")
    if not callable(function) or inspect.isclass(function):
        raise InvalidTool(f"A tool is made from a function, not from {type(function).__name__} {function!r}.")
    name = name if name is not None else getattr(function, "__name__", None)
    if name is None or name == "<lambda>":
        raise InvalidTool(f"A {type(function).__name__} has no name of its own. Pass name=.")
    return name
