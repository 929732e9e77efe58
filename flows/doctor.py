"""Is everything in place? Each check says what it found and how to mend it. Nothing is fetched or converted.

diagnosis = examine(load_settings())
diagnosis.healthy
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.checks import Check, checked

if TYPE_CHECKING:
    from flows.settings import Settings

__all__ = ["Diagnosis", "examine"]

LOCK = Path(__file__).resolve().parents[1] / "infra" / "lock"
_PYTHON = (3, 11)
_ROOM_GB = 2.0
"""Free space below which a refresh or the preparation of a model may fail, in 10^9 bytes."""


@dataclass(frozen=True)
class Diagnosis:
    """All checks, and the settings in force."""

    checks: tuple[Check, ...]
    settings: dict[str, Any]

    @property
    def healthy(self) -> bool:
        """Whether every check is as it must be."""
        return all(check.ok for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """JSON-compatible."""
        return {
            "healthy": self.healthy,
            "checks": [asdict(check) for check in self.checks],
            "settings": self.settings,
        }

    def as_text(self) -> str:
        """A line a check, a line a mend, then the settings."""
        lines = []
        for check in self.checks:
            lines.append(f"{'ok   ' if check.ok else 'WRONG'} {check.name}: {check.found}")
            lines += [f"      {check.mend}"] if check.mend else []
        settings = [f"  {name} = {value}" for name, value in self.settings.items()]
        return "\n".join([*lines, "", "Settings in force:", *settings])


def examine(settings: Settings) -> Diagnosis:
    """Looks at everything that a refresh and an answer need."""
    from flows.doctor_adapters import examine_adapters

    roles = _roles(settings)
    models = {role: _model(role, reference, settings) for role, reference in roles.items()}
    ready = {role: models[role].ok and _is_prepared(roles[role], settings.models) for role in roles}
    unread = Check("index", True, "not looked at: there is no embedder to read it with")
    index = _index(settings) if ready["embedder"] else unread
    adapters = examine_adapters(settings, models=all(ready.values()))
    checks = (_python(), _packages(), *_folders(settings), *models.values(), index, *adapters)
    return Diagnosis(checks, settings.model_dump(mode="json"))


def _roles(settings: Settings) -> dict[str, str]:
    """The models that are needed: role -> reference."""
    from flows.production import open_registry, reranks
    from serving.registry.errors import RegistryError

    roles = {"base model": settings.base_model, "embedder": settings.embedder}
    try:
        needed = reranks(settings, open_registry(settings))
    except RegistryError:
        needed = False  # the checks of the adapters tell what is wrong
    return roles | ({"reranker's base": settings.reranker_base} if needed else {})


def _python() -> Check:
    found = ".".join(str(part) for part in sys.version_info[:3])
    ok = sys.version_info >= _PYTHON
    return Check("python", ok, found, "" if ok else "Install Python 3.11 or newer and run: make setup")


def _packages() -> Check:
    """Installed versions against the lock, which comes with a checkout only."""
    if not LOCK.is_dir():
        return Check("packages", True, "no lock beside the code to compare with")
    found = [(name, pin, _installed(name)) for name, pin in _pins()]
    wrong = [f"{name} {here}, not {pin}" for name, pin, here in found if here not in (pin, None)]
    if wrong:
        return Check("packages", False, f"{len(wrong)} differ from the lock: {'; '.join(wrong[:5])}", "Run: make setup")
    missing = [name for name, _, here in found if here is None]
    rest = f"; not installed, for commands that need them: {', '.join(missing[:5])}" if missing else ""
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
    return Check("packages", True, f"{len(found) - len(missing)} as in the lock{rest}{more}")


def _pins() -> Iterator[tuple[str, str]]:
    for path in sorted(LOCK.glob("*.txt")):
        for line in path.read_text("utf-8").splitlines():
            name, equals, pin = line.partition("==")
            if equals and not line.startswith("#"):
                yield name, pin.strip()


def _installed(name: str) -> str | None:
    try:
        return version(name).split("+")[0]  # the local part names a build: torch 2.13.0+cpu
    except PackageNotFoundError:
        return None


def _folders(settings: Settings) -> Iterator[Check]:
    """The home is writable, and there is room in it."""
    place = _nearest(settings.home)
    writable = os.access(place, os.W_OK | os.X_OK)
    mend = "" if writable else f"Make {place} writable, or choose another folder: --home or GROUNDSKEEPER_HOME."
    yield Check("home", writable, f"{settings.home}, {'writable' if writable else 'not writable'}", mend)
    free = shutil.disk_usage(place).free / 1e9
    room = free >= _ROOM_GB
    mend = "" if room else "Free some space, or move the home: --home or GROUNDSKEEPER_HOME."
    yield Check("disk", room, f"{free:.1f} GB free", mend)


def _nearest(folder: Path) -> Path:
    """The folder itself, or the nearest one above that exists."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _model(name: str, reference: str, settings: Settings) -> Check:
    from serving.registry.models import prepare_model

    def look() -> Check:
        if not _is_prepared(reference, settings.models):
            return Check(name, True, f"{reference} is not prepared yet; the first use does it")
        model = prepare_model(reference, settings.models)
        found = f"{model.revision}, weights {model.weights_digest[:12]}, licence {model.licence}"
        return Check(name, True, found)

    return checked(name, look)


def _is_prepared(reference: str, models: Path) -> bool:
    """Whether using the model only reads: it is used where it lies, or was converted or fetched before."""
    from serving.registry.packaged import packaged_model

    if reference.startswith("package:"):
        name = reference.removeprefix("package:")
        entry = packaged_model(name)
        return entry.kind == "folder" or (models / f"{name}-{entry.version}" / "model.json").exists()
    is_hub_id = not reference.startswith(("/", "./", "../", "~")) and "/" in reference
    return not is_hub_id or (models / reference.replace("/", "--") / "model.json").exists()


def _index(settings: Settings) -> Check:
    from flows.wiring import open_search
    from retrieval.errors import IndexMissing

    def look() -> Check:
        with open_search(settings, lambda text: None) as desk:
            held = desk.reader.generation
        return Check("index", True, f"generation {held.number}, {held.documents} documents, {held.passages} passages")

    try:
        return checked("index", look)
    except IndexMissing as missing:
        return Check("index", True, "nothing indexed yet", missing.remedy)
