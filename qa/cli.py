"""The command line: ``policyqa ask``, ``compare``, ``index``, ``chat`` and the others.

Results go to stdout, progress and errors to stderr. Exit status: 0 done, 1 a handled error (one
line and a hint), 2 wrong usage.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from index.errors import PolicyQAError
from qa import render, terminal
from qa.batch import Answerer, batch_results

if TYPE_CHECKING:
    from index.settings import Settings
    from qa.assistant import Assistant
    from qa.llm.trial import Trial

Json = dict[str, Any]

app = typer.Typer(
    help="Ask privacy policies, and see the proof of every answer.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # boxes and broken lines are not for pipes
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder of the index [env: POLICYQA_HOME].")
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Settings file instead of the home's policyqa.toml.")
]
EncoderOption = Annotated[
    str | None,
    typer.Option("--encoder", help="A sentence-transformers model [env: POLICYQA_ENCODER]."),
]
DownloadOption = Annotated[
    bool | None, typer.Option("--allow-download", help="Let the encoder be fetched by its name.")
]
LLMOption = Annotated[
    str | None,
    typer.Option(
        "--llm",
        help="Let a model word the answer: ollama/MODEL, openai/MODEL, anthropic/MODEL, hf/PATH or "
        "none [env: POLICYQA_LLM].",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PolicyOption = Annotated[
    list[str] | None, typer.Option("--policy", help="Only this policy (id or name); repeatable.")
]
BatchOption = Annotated[
    str | None,
    typer.Option("--batch", help="Read one JSON object a line from FILE (- for standard input)."),
]
QuestionArgument = Annotated[str | None, typer.Argument(help="The question, in quotes.")]


@app.callback(invoke_without_command=True)
def main(
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Ask privacy policies, and see the proof of every answer."""
    if show_version:
        print(version("policyqa"))
        raise typer.Exit


@contextmanager
def handled(as_json: bool) -> Iterator[None]:
    """Turn an error of ours into one line and a hint (or its JSON) and exit status 1."""
    try:
        yield
    except PolicyQAError as error:
        if as_json:
            print(json.dumps({"error": render.error_json(error)}))
        else:
            console = terminal.err()
            terminal.show_error(console, error.message, error.hint)
        raise typer.Exit(1) from error
    except BrokenPipeError:
        raise typer.Exit(1) from None  # the reader has gone; nobody is left to tell
    except OSError as error:
        where = "the result" if error.filename is None else repr(str(error.filename))
        message = f"cannot read or write {where}: {error.strerror or error}"
        terminal.show_error(terminal.err(), message, "check its permissions and the free space")
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@contextmanager
def opened(
    home: Path | None,
    config: Path | None,
    encoder: str | None,
    allow_download: bool | None,
    llm: str | None = "none",
) -> Iterator[Assistant]:
    """Open the assistant; a new home indexes the bundled policies with a progress bar."""
    from index.settings import Settings
    from qa.assistant import Assistant

    settings = Settings.load(
        config=config, home=home, encoder=encoder, allow_download=allow_download, llm=llm
    )
    with terminal.progress_bar(terminal.err()) as update:
        assistant = Assistant.open(settings=settings, progress=update)
    try:
        yield assistant
    finally:
        assistant.close()


@app.command()
def ask(
    question: QuestionArgument = None,
    policy: PolicyOption = None,
    batch: BatchOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
    config: ConfigOption = None,
    encoder: EncoderOption = None,
    allow_download: DownloadOption = None,
    llm: LLMOption = None,
) -> None:
    """Answer a question with verified quotes. What a policy does not state is said to be so."""
    _one_of(question, batch, as_json)
    with handled(as_json), opened(home, config, encoder, allow_download, llm) as assistant:
        if batch is not None:
            _run_batch(
                batch,
                policy or [],
                lambda text, scope: render.answer_json(assistant.ask(text, policies=scope)),
            )
            return
        answer = assistant.ask(question or "", policies=policy or ())
        if as_json:
            print(json.dumps(render.answer_json(answer)))
        else:
            terminal.show_answer(terminal.out(), answer)


@app.command()
def search(
    question: QuestionArgument = None,
    policy: PolicyOption = None,
    top_k: Annotated[int, typer.Option("--top-k", min=1, max=1000, help="How many.")] = 10,
    batch: BatchOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
    config: ConfigOption = None,
    encoder: EncoderOption = None,
    allow_download: DownloadOption = None,
) -> None:
    """Print the passages that are most likely to answer, best first."""
    _one_of(question, batch, as_json)
    with handled(as_json), opened(home, config, encoder, allow_download) as assistant:

        def find(text: str, scope: list[str]) -> Json:
            return render.search_json(assistant.search(text, top_k=top_k, policies=scope))

        if batch is not None:
            _run_batch(batch, policy or [], find)
        elif as_json:
            print(json.dumps(find(question or "", policy or [])))
        else:
            found = assistant.search(question or "", top_k=top_k, policies=policy or ())
            terminal.show_results(terminal.out(), found)


@app.command()
def compare(
    questions: Annotated[
        Path | None,
        typer.Option("--questions", help="One question a line; common ones if left out."),
    ] = None,
    policy: PolicyOption = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of Markdown.")] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
    config: ConfigOption = None,
    llm: LLMOption = None,
) -> None:
    """Print several questions by several policies as a table."""
    from qa import compare as tables

    if as_csv and as_json:
        raise typer.BadParameter("give --csv or --json, not both")
    with handled(as_json):
        asked = tables.read_questions(questions) if questions else tables.COMMON_QUESTIONS
        with opened(home, config, None, None, llm) as assistant:
            table = assistant.compare(asked, policy or ())
        if as_json:
            print(json.dumps(tables.comparison_json(table)))
        else:
            write = tables.comparison_csv if as_csv else tables.comparison_markdown
            print(write(table), end="")


@app.command()
def chat(
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")
    ] = 7860,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    password_env: Annotated[
        str | None,
        typer.Option("--password-env", help="Variable that holds a password to ask for."),
    ] = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    encoder: EncoderOption = None,
    allow_download: DownloadOption = None,
    llm: LLMOption = None,
) -> None:
    """Open the chat in a browser."""
    from qa.ui.server import Address, password_from, serve

    with handled(as_json=False):
        address = Address(host, port, password_from(password_env))
        address.check()
        with opened(home, config, encoder, allow_download, llm) as assistant:
            serve(assistant, address, lambda url: print(f"policyqa chat: {url}", flush=True))


@app.command()
def index(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files or folders.")] = None,
    no_bundled: Annotated[
        bool, typer.Option("--no-bundled", help="Leave the bundled policies out of a new home.")
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Encode everything again, from the stored texts.")
    ] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
    config: ConfigOption = None,
    encoder: EncoderOption = None,
    allow_download: DownloadOption = None,
) -> None:
    """Add files and folders to the index. Without any, bring it up to date with those before."""
    from index import build
    from index.home import Home
    from index.settings import Settings

    with handled(as_json), terminal.progress_bar(terminal.err()) as update:
        settings = Settings.load(
            config=config, home=home, encoder=encoder, allow_download=allow_download
        )
        with closing(Home(settings)) as opened_home:
            if rebuild:
                build.rebuild(opened_home, progress=update)
            build.ensure_bundled(opened_home, wanted=not no_bundled, progress=update)
            report = (
                build.sync(opened_home, paths, progress=update)
                if paths
                else build.refresh(opened_home, progress=update)
            )
    if as_json:
        print(json.dumps(asdict(report)))
    else:
        terminal.show_report(terminal.out(), report)
        for failure in report.failed:
            terminal.show_error(terminal.err(), f"{failure.path}: {failure.message}", failure.hint)
    if report.failed:
        raise typer.Exit(1)


@app.command()
def policies(
    as_json: JsonOption = False, home: HomeOption = None, config: ConfigOption = None
) -> None:
    """List what is indexed."""
    with handled(as_json), opened(home, config, None, None) as assistant:
        counts = assistant.home.catalog.passage_counts()
        if as_json:
            rows = [render.policy_json(one, counts.get(one.id, 0)) for one in assistant.policies]
            print(json.dumps({"policies": rows}))
        else:
            terminal.show_policies(terminal.out(), assistant.policies, counts)


@app.command()
def show(
    policy: Annotated[str, typer.Argument(help="Id or name.")],
    as_json: JsonOption = False,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Print a policy's text, the very one that offsets count in."""
    with handled(as_json), opened(home, config, None, None) as assistant:
        found = assistant.policy(policy)
        catalog = assistant.home.catalog
        if as_json:
            row = render.policy_json(found, catalog.passage_counts().get(found.id, 0))
            sections = [asdict(section) for section in catalog.sections(found.id)]
            print(json.dumps({**row, "text": found.text, "sections": sections}))
        else:
            terminal.show_text(terminal.out(), found.text)


@app.command()
def remove(
    policy: Annotated[str, typer.Argument(help="Id or name.")],
    as_json: JsonOption = False,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Delete a policy from the index: its text, passages and vectors. Its file stays."""
    from index import build

    with handled(as_json), opened(home, config, None, None) as assistant:
        found = assistant.policy(policy)
        build.remove(assistant.home, found.id)
        if as_json:
            print(json.dumps({"removed": [found.id]}))
        else:
            terminal.out().print(f"removed {found.id}", markup=False)


@app.command()
def doctor(
    repair: Annotated[
        bool, typer.Option("--repair", help="Make the vectors again from the catalog.")
    ] = False,
    llm: LLMOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Check that the index is whole, and a configured model answers.

    With --repair, make again what is damaged. With --llm, or POLICYQA_LLM, the language model is
    asked for one word, and what is wrong is said.
    """
    from index import doctor as index_doctor
    from index.home import Home
    from index.recovery import recover
    from index.settings import Settings

    with handled(as_json):
        settings = Settings.load(config=config, home=home, llm=llm)
        with closing(Home(settings)) as opened_home:
            if repair:
                index_doctor.repair(opened_home)
            else:
                recover(opened_home)
            found = index_doctor.examine(opened_home)
        trial = _tried(settings)
    if as_json:
        print(json.dumps({"damage": found, "llm": trial and trial.as_json()}))
    else:
        terminal.show_findings(terminal.out(), found)
        if trial:
            terminal.show_trial(terminal.out(), trial)
    if found or (trial and trial.error):
        raise typer.Exit(1)


def _tried(settings: Settings) -> Trial | None:
    """Return how the configured language model answers, or None if none is."""
    if settings.llm == "none":
        return None
    from qa.llm.trial import tried

    return tried(settings)


@app.command(
    "eval",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def evaluate(context: typer.Context) -> None:
    """Measure how right the answers are: run, report, compare, gate."""
    # By name: this package knows nothing of the one that measures it.
    command = typer.main.get_command(import_module("eval.cli").app)
    command.main(args=context.args, prog_name="policyqa eval")


def _one_of(question: str | None, batch: str | None, as_json: bool) -> None:
    """Refuse a call with neither or both of a question and a batch."""
    if (question is None) == (batch is None):
        raise typer.BadParameter('give a question in quotes, or "--batch FILE --json"')
    if batch is not None and not as_json:
        raise typer.BadParameter("--batch prints JSON: add --json")


def _run_batch(file: str, policies: list[str], answer: Answerer) -> None:
    """Print one result a line, as soon as it is there."""
    failed = False
    for result in batch_results(file, policies, answer):
        failed |= "error" in result
        print(json.dumps(result), flush=True)
    if failed:
        raise typer.Exit(1)


def run() -> None:
    """Run the program. What the output's encoding lacks is shown as ``?``."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    signal.signal(signal.SIGTERM, _stop)
    try:
        app()
    finally:
        _flush()


def _stop(number: int, _: object) -> None:
    """End as after Ctrl-C: what is being written is finished or left for the next command."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _flush() -> None:
    """Write what is left, and let a reader that has gone cause no message at exit."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            message = f"cannot write the result: {error.strerror}"
            terminal.show_error(terminal.err(), message, "check the free space")
        sys.exit(1)


if __name__ == "__main__":
    run()
