"""The commands and their options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from duologue.cli import talk_options as o
from duologue.cli.console import make_console
from duologue.cli.exits import FAILED, REFUSED, complain, run

if TYPE_CHECKING:
    from duologue.options import SessionOptions
    from duologue.secret import Secret

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


def _check_talk(is_given_turns: bool, microphone: bool, saves_fast: bool) -> None:
    if not (is_given_turns or microphone):
        _refuse("say something: give --file, --text or --mic.")
    if microphone and is_given_turns:
        _refuse("--mic goes without --file and --text.")
    if saves_fast:
        _refuse("--save records in real time; leave --fast out.")


@app.command()
def talk(
    provider: o.Provider = "local",
    model: o.Model = None,
    base_url: o.BaseUrl = None,
    key_variable: o.KeyVariable = None,
    files: o.Files = None,
    texts: o.Texts = None,
    microphone: o.Microphone = False,
    save: o.Save = None,
    record: o.Record = None,
    as_json: o.AsJson = False,
    json_audio: o.JsonAudio = False,
    tools: o.Tools = None,
    instructions: o.Instructions = None,
    hints: o.Hints = None,
    voice: o.Voice = None,
    chat_model: o.ChatModel = None,
    chat_url: o.ChatUrl = None,
    chat_key_variable: o.ChatKeyVariable = None,
    no_playback: o.NoPlayback = False,
    fast: o.Fast = False,
    timeout: o.Timeout = 60.0,
) -> None:
    """A conversation from recordings, typed text or the microphone.

    The exit status is 0 if every turn came, and ended well.
    """
    _check_talk(bool(files or texts), microphone, bool(fast and save))

    async def work() -> int:
        from duologue.cli.providers import ProviderRequest
        from duologue.cli.talk import TalkSettings, run_talk

        settings = TalkSettings(
            provider=provider,
            request=ProviderRequest(
                model=model,
                base_url=base_url,
                key=_key_in(key_variable, "--key-variable"),
                chat_model=chat_model,
                chat_url=chat_url,
                chat_key=_key_in(chat_key_variable, "--chat-key-variable"),
            ),
            options=_options(tools, instructions, hints, voice),
            files=tuple(files or ()),
            texts=tuple(texts or ()),
            microphone=microphone,
            save=save,
            record=record,
            as_json=as_json or json_audio,
            json_audio=json_audio,
            playback=not no_playback,
            realtime=not fast,
            timeout=timeout,
        )
        return await run_talk(settings, make_console())

    raise typer.Exit(run(work()))


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recording, made with --record or Recording(...).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print each session as one JSON object.")] = False,
) -> None:
    """A recorded conversation: what was said, called and answered, when, and what went wrong."""
    from duologue.cli.replay import run_replay

    run(run_replay(file, make_console(), as_json=as_json))


@app.command()
def serve(
    config: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="The configuration; DUOLOGUE_... variables win over it.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Where to listen; beyond loopback with keys only.")
    ] = None,
    port: Annotated[int | None, typer.Option(metavar="NUMBER", help="The port; 0 for a free one.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Check the configuration, and serve nothing.")] = False,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Print a new key, and its hash for the configuration.")
    ] = False,
) -> None:
    """A server for clients of OpenAI's realtime API, in front of any provider.

    Without a configuration, the embedded provider answers whoever comes, over loopback only.
    """
    from duologue.cli.serve import print_new_key, run_serve

    if new_key:
        print_new_key()
    else:
        run_serve(config, host=host, port=port, check=check)


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


def _key_in(variable: str | None, option: str) -> Secret | None:
    """The key in an environment variable; None if none is named."""
    from duologue.errors import InvalidInput
    from duologue.secret import Secret

    if variable is None:
        return None
    value = os.environ.get(variable)
    if not value:
        raise InvalidInput(f"{option}: there is no key in the environment variable {variable}.")
    return Secret.of(value)


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
