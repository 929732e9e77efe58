"""`groundskeeper evaluate ...`: the four behaviours on rows of theirs, search, and the whole assistant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import Home, Json, Limit, Mode, Rows
from flows.console import command
from serving.interface.behaviours import Behaviour, UntunedMode

__all__ = ["evaluate", "evaluate_assistant", "evaluate_retrieval"]

evaluate = typer.Typer(help="Measure, with 95% intervals and counts.", rich_markup_mode=None)

Adapter = Annotated[
    str | None,
    typer.Option(
        metavar="VERSION",
        help="A registered version, `production`, or `none` for the behaviour without an adapter. Default: production.",
        show_default=False,
    ),
]
UntunedOption = Annotated[
    UntunedMode | None,
    typer.Option(help="How to run it without an adapter. Default: few_shot.", show_default=False),
]

_HELP = {
    Behaviour.QUERY_REWRITE: "Measure rewriting. ROUGE-1, exact match, and the words that the question lacked.",
    Behaviour.REFUSAL: "Measure refusing. Are questions answered that can be, and refused that cannot?",
    Behaviour.CITATION: "Measure citing. Form, whether citations resolve, the right sentence, the right words.",
    Behaviour.RERANK: "Measure reranking. Do the relevant passages come first? nDCG@10 and MRR.",
}


@evaluate.command("retrieval")
def evaluate_retrieval(
    data: Annotated[
        Path, typer.Option(help='JSON lines: {"question": ..., "uri": ...}; uri is a document or the end of its path.')
    ],
    mode: Annotated[
        Mode | None, typer.Option(help="One ranking only. Default: all three side by side.", show_default=False)
    ] = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """Measure search. Does it bring the document that answers the question? hit@1, 5, 10 and MRR by document."""
    with command(json) as console:
        from flows.evaluate import evaluate_search
        from flows.settings import load_settings

        result = evaluate_search(load_settings(home=home), data, mode, console.note, console.progress)
        console.show(result.as_json(), result.as_text())


@evaluate.command("assistant")
def evaluate_assistant(
    data: Annotated[
        Path, typer.Option(help='JSON lines: {"question": ..., "answerable": ..., "uri": ...}; uri may be left out.')
    ],
    limit: Limit = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """Measure whole answers. Is answered what the documents answer, citing the page, and refused what they do not?"""
    with command(json) as console:
        from flows.evaluate_assistant import evaluate_answers
        from flows.settings import load_settings

        settings = load_settings(home=home)
        result = evaluate_answers(settings, data, limit=limit, say=console.note, progress=console.progress)
        console.show(result.as_json(), result.as_text())


def _measuring(behaviour: Behaviour) -> Callable[..., None]:
    """The command that measures one behaviour."""

    def measure(
        data: Rows,
        adapter: Adapter = None,
        mode: UntunedOption = None,
        limit: Limit = None,
        json: Json = False,
        home: Home = None,
    ) -> None:
        _refuse_contradictions(behaviour, adapter, mode)
        with command(json) as console:
            from flows.evaluate_behaviour import NONE, PRODUCTION, Choice, evaluate_behaviour
            from flows.settings import load_settings

            choice = Choice(adapter or (NONE if mode else PRODUCTION), mode)
            result = evaluate_behaviour(
                load_settings(home=home),
                behaviour,
                data,
                choice,
                limit=limit,
                say=console.note,
                progress=console.progress,
            )
            console.show(result.as_json(), result.as_text())

    return measure


def _refuse_contradictions(behaviour: Behaviour, adapter: str | None, mode: str | None) -> None:
    if mode and adapter not in (None, "none"):
        raise typer.BadParameter("--mode says how a behaviour runs without an adapter; leave out one of the two")
    if mode and behaviour is Behaviour.RERANK:
        raise typer.BadParameter("rerank without an adapter is the order of hybrid search; it has no --mode")


for _behaviour in Behaviour:
    evaluate.command(_behaviour.value, help=_HELP[_behaviour])(_measuring(_behaviour))
