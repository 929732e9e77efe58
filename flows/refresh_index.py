"""One refresh of the index: the page to read first.

    result = refresh_index(load_settings(), ["docs"])

Which folders, which embedder, then the steps of `retrieval.refresh`: read what changed, plan, encode what was never
seen, write, seal. `flows.scheduled.refresh_index` runs the same steps as a Prefect flow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flows.sources import choose_sources
from flows.wiring import make_home, open_embedding

if TYPE_CHECKING:
    from flows.settings import Settings
    from retrieval.refresh import RefreshResult

__all__ = ["as_text", "refresh_index"]

Progress = Callable[[str, int, int], None]


def refresh_index(
    settings: Settings,
    given: Sequence[str] = (),
    *,
    plan_only: bool = False,
    say: Callable[[str], None] = lambda text: None,
    progress: Progress = lambda stage, done, total: None,
) -> RefreshResult:
    """Brings the index to what the sources hold now; with `plan_only` only tells what would change.

    `given` are sources as on the command line (`PATH` or `NAME=PATH`); without any, the settings' sources are read.
    """
    from retrieval.refresh import refresh

    sources = choose_sources(settings, given)
    if not plan_only:
        make_home(settings)
    embedding = open_embedding(settings, say)
    return refresh(
        sources,
        index_root=settings.index_root,
        texts_root=settings.texts_root,
        encoder=embedding.encoder,
        splitter=embedding.splitter,
        excluded=(settings.home, settings.models),
        plan_only=plan_only,
        progress=progress,
    )


def as_text(refreshed: Mapping[str, Any]) -> str:
    """A refresh, given as JSON, in a few lines."""
    verb = "would be" if refreshed["planned"] else "were"
    lines = [f"{noun.capitalize():<10} {_counted(refreshed[noun])}" for noun in ("documents", "passages")]
    lines.append(f"{refreshed['encoder_calls']} texts {verb} encoded, in {refreshed['seconds']:.1f} s.")
    number = refreshed["generation"]
    lines.append("There is no generation yet." if number is None else f"Generation {number} is served.")
    lines += [f"skipped: {skipped['uri']}: {skipped['reason']}" for skipped in refreshed["skipped"]]
    return "\n".join(lines + [f"warning: {warning}" for warning in refreshed["warnings"]])


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items())
