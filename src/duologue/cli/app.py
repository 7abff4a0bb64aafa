"""The commands and their options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from duologue.cli.console import make_console
from duologue.cli.exits import FAILED, REFUSED, complain, run

if TYPE_CHECKING:
    from duologue.cli.providers import ProviderRequest
    from duologue.options import SessionOptions

app = typer.Typer(
    name="duologue",
    help="Talk with realtime (speech-to-speech) models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from duologue.cli.installed import own_version

        typer.echo(f"duologue {own_version()}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Talk with realtime (speech-to-speech) models."""


@app.command()
def demo(
    save: Annotated[Path, typer.Option(metavar="OUT.wav", help="Where the recording goes.")] = Path("conversation.wav"),
    no_save: Annotated[bool, typer.Option("--no-save", help="Record nothing.")] = False,
    speaker: Annotated[bool, typer.Option("--speaker", help="Play the answers aloud.")] = False,
) -> None:
    """A spoken conversation with the embedded provider: no key, no network, no microphone.

    Recorded questions are streamed as if they were spoken now. The exit status is 0 if all were understood, and all
    the right functions called.
    """
    from duologue.cli.demo import run_demo

    went_well = run(run_demo(make_console(), save=None if no_save else save, speaker=speaker))
    raise typer.Exit(0 if went_well else FAILED)


@app.command()
def talk(
    provider: Annotated[str, typer.Option(help="Who answers: local.")] = "local",
    file: Annotated[
        list[Path] | None, typer.Option(metavar="IN.wav", help="A recording, as a turn. Repeat it for more turns.")
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="A typed turn, after those of --file. Repeat it for more turns.")
    ] = None,
    mic: Annotated[
        bool,
        typer.Option(
            "--mic",
            help="Listen to the microphone until Ctrl-C. Use headphones: beside a speaker the microphone hears the "
            "answers too, and takes them for you.",
        ),
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option(metavar="OUT.wav", help="Record the conversation: you on the left, the answers on the right."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print every message as a line of JSON, with byte counts for audio.")
    ] = False,
    json_audio: Annotated[bool, typer.Option("--json-audio", help="The same, with the audio as base64.")] = False,
    tools: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE:NAME",
            help="A function, a tool or a list of them, from a module or PATH.py:NAME. Repeat it for more. Try "
            "duologue.cli.demo_tools:TOOLS.",
        ),
    ] = None,
    instructions: Annotated[
        str | None,
        typer.Option(help="The system prompt. The rules that answer without --chat-model do not follow any."),
    ] = None,
    hints: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Phrases that you are likely to say, one a line.")
    ] = None,
    voice: Annotated[str | None, typer.Option(help="The voice of the answers.")] = None,
    chat_model: Annotated[str | None, typer.Option(help="Let this chat model answer.")] = None,
    chat_url: Annotated[
        str | None, typer.Option(help="The OpenAI-compatible API where it is, such as http://localhost:11434/v1.")
    ] = None,
    chat_key: Annotated[
        str | None,
        typer.Option("--chat-key-variable", metavar="NAME", help="The environment variable that holds its key."),
    ] = None,
    no_playback: Annotated[bool, typer.Option("--no-playback", help="Do not play the answers.")] = False,
    fast: Annotated[
        bool, typer.Option("--fast", help="Send recordings as fast as possible: one question in each.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that an answer may take.")] = 60.0,
) -> None:
    """A conversation from recordings, typed text or the microphone.

    The exit status is 0 if every turn came, and ended well.
    """
    wants_json = as_json or json_audio
    if not (file or text or mic):
        _refuse("say something: give --file, --text or --mic.")
    if mic and (file or text):
        _refuse("--mic goes without --file and --text.")
    if fast and save:
        _refuse("--save records in real time; leave --fast out.")

    async def work() -> int:
        from duologue.cli.talk import TalkSettings, run_talk

        settings = TalkSettings(
            provider=provider,
            request=_provider_request(chat_model, chat_url, chat_key),
            options=_options(tools, instructions, hints, voice),
            files=tuple(file or ()),
            texts=tuple(text or ()),
            microphone=mic,
            save=save,
            as_json=wants_json,
            json_audio=json_audio,
            playback=not no_playback,
            realtime=not fast,
            timeout=timeout,
        )
        return await run_talk(settings, make_console())

    raise typer.Exit(run(work()))


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """What is installed, what is missing and how to get it.

    The exit status is 0 if the embedded provider can hold a conversation.
    """
    from duologue.cli.doctor import run_doctor

    can_talk = run(run_doctor(make_console(), as_json=as_json))
    raise typer.Exit(0 if can_talk else FAILED)


def _refuse(reason: str) -> NoReturn:
    complain(reason)
    raise typer.Exit(REFUSED)


def _provider_request(chat_model: str | None, chat_url: str | None, key_variable: str | None) -> ProviderRequest:
    from duologue.cli.providers import ProviderRequest
    from duologue.errors import InvalidInput
    from duologue.secret import Secret

    key = None
    if key_variable is not None:
        value = os.environ.get(key_variable)
        if not value:
            raise InvalidInput(f"--chat-key-variable: there is no key in the environment variable {key_variable}.")
        key = Secret.of(value)
    return ProviderRequest(chat_model=chat_model, chat_url=chat_url, chat_key=key)


def _options(
    tools: list[str] | None, instructions: str | None, hints: Path | None, voice: str | None
) -> SessionOptions:
    from duologue.cli.loading import load_tools, read_hints
    from duologue.options import SessionOptions, Transcription

    return SessionOptions(
        tools=tuple(tool for reference in tools or () for tool in load_tools(reference)),
        instructions=instructions,
        transcription=None if hints is None else Transcription(keywords=read_hints(hints)),
        voice=voice,
    )
