"""Which folders a command reads: those named on the command line, else those of the settings.

A source is given as `PATH` or `NAME=PATH`; without a name it goes by the folder's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from flows.errors import SourceUnnamed
from flows.settings import SOURCE_NAME, Settings, as_path

if TYPE_CHECKING:
    from retrieval.documents import Trust
    from retrieval.sources.folder import FolderSource

__all__ = ["choose_sources", "renamed"]

_MIB = 1024 * 1024


def choose_sources(settings: Settings, given: Sequence[str] = ()) -> tuple[FolderSource, ...]:
    """The sources to read. A name that is in the settings too keeps its trust from there.

    Raises SourceUnnamed if there is none, if two have one name, or if a name cannot be part of a document id.
    """
    if given:
        sources = tuple(_given_source(text, settings) for text in given)
    else:
        sources = tuple(_source(source.name, source.path, source.trust, settings) for source in settings.sources)
    if not sources:
        raise SourceUnnamed(
            "No source was given, and groundskeeper.toml names none.",
            remedy="Name a folder, e.g. `groundskeeper refresh docs` or `groundskeeper refresh handbook=path/to/it`, "
            "or list your sources as [[sources]] tables with name and path in groundskeeper.toml.",
        )
    _refuse_equal_names(sources)
    return sources


def renamed(source: FolderSource) -> FolderSource:
    """The same folder under a name that no other folder has, and always the same."""
    digest = hashlib.sha256(str(source.root.resolve()).encode()).hexdigest()
    return replace(source, name=f"{source.name}-{digest[:6]}")


def _given_source(text: str, settings: Settings) -> FolderSource:
    name, equals, path = text.partition("=")
    if not equals or "/" in name:  # a path may hold an equals sign itself
        name, path = "", text
    folder = _folder(path)
    name = name if path != text else folder.resolve().name
    trusts: dict[str, Trust] = {source.name: source.trust for source in settings.sources}
    return _source(name, folder, trusts.get(name, "official"), settings)


def _folder(path: str) -> Path:
    try:
        return as_path(path)
    except ValueError as cause:
        raise SourceUnnamed(
            f"The source {path!r} cannot be read: {cause}.",
            remedy="Name a folder: PATH or NAME=PATH; `.` is the working folder.",
        ) from cause


def _source(name: str, path: Path, trust: Trust, settings: Settings) -> FolderSource:
    from retrieval.sources.folder import FolderSource

    if not re.fullmatch(SOURCE_NAME, name):
        raise SourceUnnamed(
            f"A source cannot be called {name!r} (folder {path}): names are not empty, begin with no space and hold "
            "no `:`, `/` or `=`.",
            remedy="Give it a name of its own: NAME=PATH.",
        )
    return FolderSource(name, path, trust, settings.max_document_mib * _MIB)


def _refuse_equal_names(sources: Sequence[FolderSource]) -> None:
    names = [source.name for source in sources]
    for source in sources:
        if names.count(source.name) > 1:
            raise SourceUnnamed(
                f"Two sources would be called {source.name!r}; one would replace the other.",
                remedy=f"Name them apart: other-{source.name}={source.root}.",
            )
