"""`groundskeeper advise, convert, retrain`: whether to train, on what, and the training itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import BehaviourName, Home, Json
from flows.console import command
from flows.formats import Format
from serving.interface.behaviours import Behaviour

__all__ = ["advise", "convert", "retrain"]

Seed = Annotated[
    int | None,
    typer.Option(min=0, help="Seed of everything that is drawn. Default: the setting seed, 0.", show_default=False),
]


def advise(
    charter: Annotated[
        str, typer.Argument(help="The YAML file of a charter, or the name of a behaviour for the project's own.")
    ],
    json: Json = False,
    home: Home = None,
) -> None:
    """Ask whether to train. Five questions and the 2x2 of a charter; a no (exit code 1) names what to do instead."""
    with command(json) as console:
        from flows.advise import advise_on
        from flows.settings import load_settings
        from tuning.charter import own_charter

        load_settings(home=home)  # a wrong setting is told by every command
        path = own_charter(Behaviour(charter)) if charter in set(Behaviour) else Path(charter)
        advised = advise_on(path, today=datetime.now(UTC).date())
        console.show(advised.as_json(), advised.as_text(), code=advised.code)


def retrain(
    behaviour: BehaviourName,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Rows, JSON lines; may be given again. Default: the setting training_data.", show_default=False
        ),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Recipe, YAML. Default: the project's own.", show_default=False)
    ] = None,
    charter: Annotated[
        Path | None, typer.Option(help="Charter, YAML. Default: the project's own.", show_default=False)
    ] = None,
    gate: Annotated[
        Path | None, typer.Option(help="Thresholds of the gate, YAML. Default: the project's own.", show_default=False)
    ] = None,
    promote: Annotated[bool, typer.Option("--promote", help="Serve the adapter if the gate passes it.")] = False,
    seed: Seed = None,
    flow: Annotated[
        bool | None, typer.Option(help="Run it as a Prefect flow. Default: the setting prefect.", show_default=False)
    ] = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """Train an adapter. Snapshot, training, gate, registration; what the gate refuses is told with its reasons."""
    with command(json) as console:
        from flows.retrain_adapter import retrain_adapter
        from flows.retrain_plan import RetrainRequest
        from flows.settings import load_settings

        settings = load_settings(home=home, seed=seed, prefect=flow)
        request = RetrainRequest(behaviour, tuple(data or ()), charter, recipe, gate, promote, settings.seed)
        if settings.prefect:
            from flows.scheduled.run import run_retrain_flow

            told, retrained = run_retrain_flow(settings, request, console.note, console.progress)
            console.show(told, retrained.as_text(), code=retrained.code)
            return
        retrained = retrain_adapter(settings, request, say=console.note, progress=console.progress)
        console.show(retrained.as_json(), retrained.as_text(), code=retrained.code)


def convert(
    kind: Annotated[Format, typer.Argument(metavar="FORMAT", help="How the data set is published.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Its files, as they are published.")],
    to: Annotated[Behaviour, typer.Option(help="The behaviour to make rows of.")],
    output: Annotated[Path, typer.Option(help="File for the rows, JSON lines; replaced when it is there.")],
    passages: Annotated[
        int | None, typer.Option(min=1, help="Passages a row. Default: as the format suggests.", show_default=False)
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Name of the data set, where its files do not tell.", show_default=False)
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Licence of the data set, where its files do not tell.", show_default=False)
    ] = None,
    seed: Seed = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """Make rows of a public data set. SQuAD, CANARD, CAsT, Disfl-QA, Doc2Dial, or questions with their pages."""
    with command(json) as console:
        from flows.convert import Options, convert_files
        from flows.settings import load_settings

        settings = load_settings(home=home, seed=seed)
        options = Options(passages, seed, source, licence)
        made = convert_files(settings, kind, files, to, output, options, console.note, console.progress)
        console.show(made.as_json(), made.as_text())
