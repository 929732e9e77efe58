"""`groundskeeper adapters ...`: what is registered, and what production serves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from flows.commands.options import BehaviourName, Home, Json
from flows.console import command
from serving.interface.behaviours import Behaviour

__all__ = ["adapters", "list_", "promote", "rollback", "show", "verify"]

adapters = typer.Typer(help="The registered adapters, and which of them is served.", rich_markup_mode=None)


@adapters.command("list")
def list_(json: Json = False, home: Home = None) -> None:
    """List all versions. What production serves of each behaviour, then every registered version, oldest first."""
    with command(json) as console:
        from flows.adapters import list_adapters
        from flows.settings import load_settings

        listing = list_adapters(load_settings(home=home))
        console.show(listing.as_json(), listing.as_text())


@adapters.command()
def show(
    behaviour: BehaviourName,
    version: Annotated[str, typer.Argument(help="A registered version, or `production`.")] = "production",
    json: Json = False,
    home: Home = None,
) -> None:
    """Show one version. What it was made from, its scores, the gate's reasons, and the switches of production."""
    with command(json) as console:
        from flows.adapters import show_adapter
        from flows.settings import load_settings

        shown = show_adapter(load_settings(home=home), behaviour, version)
        console.show(shown.as_json(), shown.as_text())


@adapters.command()
def promote(
    behaviour: BehaviourName,
    version: Annotated[
        str, typer.Argument(help="A registered version that passed the gate; or few_shot, prompt, hybrid_order.")
    ],
    json: Json = False,
    home: Home = None,
) -> None:
    """Serve a version. It must have passed the gate and fit the models in use; or go back to running un-tuned."""
    with command(json) as console:
        from flows.adapters import promote_adapter
        from flows.settings import load_settings

        settings = load_settings(home=home)
        switched = promote_adapter(settings, behaviour, version, console.note, at=datetime.now(UTC))
        console.show(switched.as_json(), switched.as_text())


@adapters.command()
def rollback(behaviour: BehaviourName, json: Json = False, home: Home = None) -> None:
    """Serve what was served before. The one before the present one; called again, the one before that."""
    with command(json) as console:
        from flows.adapters import rollback_adapter
        from flows.settings import load_settings

        settings = load_settings(home=home)
        switched = rollback_adapter(settings, behaviour, console.note, at=datetime.now(UTC))
        console.show(switched.as_json(), switched.as_text())


@adapters.command()
def verify(
    behaviour: Annotated[
        Behaviour | None,
        typer.Argument(metavar="[BEHAVIOUR]", help="One behaviour only. Default: all.", show_default=False),
    ] = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """Read every file of every adapter and starter. What its manifest denies is named, and the exit code is 1."""
    with command(json) as console:
        from flows.adapters import list_adapters
        from flows.settings import load_settings

        listing = list_adapters(load_settings(home=home), verify=True, behaviour=behaviour)
        console.show(listing.as_json(), listing.as_text(), code=listing.code)
