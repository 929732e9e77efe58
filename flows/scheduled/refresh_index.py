"""`refresh-index` as a Prefect flow: scheduled and recorded; the steps are those of `flows.refresh_index`.

    from flows.scheduled.refresh_index import refresh_index_flow
    refresh_index_flow.serve("hourly", interval=3600, parameters={"sources": ["docs"]})

Schedules are kept by a Prefect server, so serving needs PREFECT_API_URL; a temporary server never starts a run.
Importing this module imports Prefect, three seconds; the command line does it through `flows.scheduled.run`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from flows.refresh_index import refresh_index
from flows.settings import load_settings
from flows.wiring import open_embedding

__all__ = ["prepare_embedder", "refresh_index_flow", "refresh_sources"]

Progress = Callable[[str, int, int], None]


@task(name="prepare-embedder", cache_policy=NO_CACHE)
def prepare_embedder(home: Path | None) -> str:
    """Finds, verifies and, at its first use, prepares the embedding model; returns the digest it goes by."""
    return open_embedding(load_settings(home=home), say=lambda text: None).encoder.digest


@task(name="refresh-sources", cache_policy=NO_CACHE)
def refresh_sources(sources: Sequence[str], home: Path | None, progress: Progress | None) -> dict[str, Any]:
    """One task for all sources: readers see the refresh whole or not at all."""
    return refresh_index(load_settings(home=home), sources, progress=progress or _silent).as_json()


@flow(name="refresh-index", validate_parameters=False)
def refresh_index_flow(
    sources: Sequence[str] = (), home: Path | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """The refresh as JSON, with the name under which Prefect recorded it; no sources means those of the settings."""
    embedder = prepare_embedder(home)
    refreshed = refresh_sources(sources, home, progress)
    return {**refreshed, "embedder": embedder, "flow_run": flow_run.get_name()}


def _silent(stage: str, done: int, total: int) -> None:
    """Nobody is watching."""
