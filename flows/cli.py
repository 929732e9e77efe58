"""The command line: parse, build the settings, call one function, show one summary.

    groundskeeper demo                     the main job once, on this project's documentation
    groundskeeper refresh docs             bring the index to what the folder holds now
    groundskeeper ask "How do I ...?"      one cited answer, or a refusal

Whatever is heavy is imported inside the commands, so that --help answers at once.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.adapters import adapters
from flows.commands.evaluate import evaluate
from flows.commands.options import Home, Json, Mode, TopK, readable
from flows.commands.tuning import advise, convert, retrain
from flows.console import command, show_error
from flows.exit_codes import DONE, MENDABLE, NOT_SO

__all__ = ["app", "ask", "demo", "doctor", "main", "refresh", "search"]

app = typer.Typer(
    name="groundskeeper",
    help="Keeps a support assistant true and well-mannered: answers that cite your documents, and say when they do not "
    "know. Exit codes: 0 done, 1 the thing asked about is not so, 2 you can mend it.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.command()
def demo(
    source: Annotated[str, typer.Option(help="The folder to index and ask about: PATH or NAME=PATH.")] = "docs",
    flow: Annotated[bool, typer.Option(help="Refresh as a Prefect flow, or directly.")] = True,
    json: Json = False,
    home: Home = None,
) -> None:
    """The main job once. Refreshes the index from one folder, then asks a question, a follow-up and a foreign one."""
    with command(json) as console:
        from flows.demo import run_demo
        from flows.settings import load_settings

        result = run_demo(load_settings(home=home), source, console, with_flow=flow)
        console.show(result.as_json(), result.verdict(), code=NOT_SO if result.unmet else DONE)


@app.command()
def refresh(
    source: Annotated[
        list[str] | None,
        typer.Argument(help="Folders: PATH or NAME=PATH. Default: those of the settings.", show_default=False),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would change; nothing is written.")] = False,
    flow: Annotated[
        bool | None, typer.Option(help="Run it as a Prefect flow. Default: the setting prefect.", show_default=False)
    ] = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """Bring the index up to date. What changed in the sources is read, encoded and served as a new generation."""
    with command(json) as console:
        from flows.refresh_index import as_text, refresh_index
        from flows.settings import load_settings

        settings, sources = load_settings(home=home, prefect=flow), source or []
        if settings.prefect and not plan:
            from flows.scheduled.run import run_refresh_flow

            refreshed = run_refresh_flow(settings, sources, console.progress)
        else:
            refreshed = refresh_index(
                settings, sources, plan_only=plan, say=console.note, progress=console.progress
            ).as_json()
        console.show(refreshed, as_text(refreshed))


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What to look for, in words.", callback=readable)],
    top_k: TopK = None,
    mode: Annotated[Mode, typer.Option(help="How to rank.")] = "hybrid",
    json: Json = False,
    home: Home = None,
) -> None:
    """Find passages. Those that fit a query best are shown with document and position."""
    with command(json) as console:
        from flows.search_index import as_json, as_text, search_index
        from flows.settings import load_settings

        found = search_index(load_settings(home=home, top_k=top_k), query, mode, console.note)
        console.show(as_json(found), as_text(found))


@app.command()
def ask(
    question: Annotated[
        str, typer.Argument(help="The question; may lean on the conversation before it.", callback=readable)
    ],
    history: Annotated[
        Path | None,
        typer.Option(
            help="A JSON list of the turns so far, oldest first, each with role (user or assistant) and content.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """Answer a question. From the documents, with citations; or a refusal that says why."""
    with command(json) as console:
        from flows.ask import ask_question
        from flows.settings import load_settings

        ask_question(load_settings(home=home), question, history, console)


@app.command()
def doctor(json: Json = False, home: Home = None) -> None:
    """Check the installation. Versions, models, index, disk; and for what is wrong, how to mend it."""
    with command(json) as console:
        from flows.doctor import examine
        from flows.settings import load_settings

        diagnosis = examine(load_settings(home=home))
        console.show(diagnosis.as_json(), diagnosis.as_text(), code=DONE if diagnosis.healthy else NOT_SO)


for _command in (advise, retrain, convert):
    app.command()(_command)
app.add_typer(evaluate, name="evaluate")
app.add_typer(adapters, name="adapters")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    _quiet_libraries()
    try:
        code = app(given, prog_name="groundskeeper", standalone_mode=False)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        remedy = f"See: {context.command_path if context else 'groundskeeper'} --help"
        show_error("usage", error.format_message(), remedy, "--json" in given)
        return MENDABLE
    return code if isinstance(code, int) else DONE


def _quiet_libraries() -> None:
    """Their progress bars mix with ours, and have no business where nobody is watching; nor has what they plan."""
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"transformers\.")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")
