"""The options of `duologue talk`, as they stand on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Provider = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Who answers: local, openai, azure, xai, voice-live, gemini, vertex-ai; or a server at --base-url: "
        "localai, qwen, speaches, speech-to-speech, vllm, compatible.",
    ),
]

Model = Annotated[
    str | None, typer.Option(metavar="NAME", help="The provider's model; with azure, the name of its deployment.")
]

BaseUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Where the provider is, unless at its own address or that of the environment."),
]

KeyVariable = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="The environment variable that holds the provider's key, unless it is the usual one."
    ),
]

Files = Annotated[
    list[Path] | None,
    typer.Option("--file", metavar="IN.wav", help="A recording, as a turn. Repeat it for more turns."),
]

Texts = Annotated[
    list[str] | None,
    typer.Option("--text", metavar="TEXT", help="A typed turn, after those of --file. Repeat it for more turns."),
]

Microphone = Annotated[
    bool,
    typer.Option(
        "--mic",
        help="Listen to the microphone until Ctrl-C. Use headphones: beside a speaker the microphone hears the answers "
        "too, and takes them for you.",
    ),
]

Save = Annotated[
    Path | None,
    typer.Option(metavar="OUT.wav", help="Record the conversation: you on the left, the answers on the right."),
]

Record = Annotated[
    Path | None,
    typer.Option(
        metavar="OUT.jsonl", help="Record every message, for duologue replay and for tests. A file that exists grows."
    ),
]

AsJson = Annotated[
    bool, typer.Option("--json", help="Print every message as a line of JSON, with byte counts for audio.")
]

JsonAudio = Annotated[bool, typer.Option("--json-audio", help="The same, with the audio as base64.")]

Tools = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODULE:NAME",
        help="A function, a tool or a list of them, from a module or PATH.py:NAME. Repeat it for more. Try "
        "duologue.cli.demo_tools:TOOLS.",
    ),
]

Instructions = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT", help="The system prompt. The rules that answer without --chat-model do not follow any."
    ),
]

Hints = Annotated[Path | None, typer.Option(metavar="FILE", help="Phrases that you are likely to say, one a line.")]

Voice = Annotated[str | None, typer.Option(metavar="NAME", help="The voice of the answers.")]

ChatModel = Annotated[str | None, typer.Option(metavar="NAME", help="Let this chat model answer.")]

ChatUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="The OpenAI-compatible API where it is, such as http://localhost:11434/v1."),
]

ChatKeyVariable = Annotated[
    str | None, typer.Option(metavar="NAME", help="The environment variable that holds the key for --chat-url.")
]

NoPlayback = Annotated[bool, typer.Option("--no-playback", help="Do not play the answers.")]

Fast = Annotated[bool, typer.Option("--fast", help="Send recordings as fast as possible: one question in each.")]

Timeout = Annotated[float, typer.Option(metavar="SECONDS", min=0.1, help="How long an answer may take.")]
