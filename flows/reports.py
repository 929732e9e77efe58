"""What a retraining leaves to read: statements beside the adapter's weights, and a report under the home folder.

An adapter's folder carries its recipe, a statement of its data (sources, licences, counts and digests; no text) and the
gate's report. The report under `reports/` says the same, and shows rows on which the candidate failed.
"""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from serving.registry.adapter_folder import copy_adapter
from serving.registry.digests import file_digests
from serving.registry.errors import AdapterUnusable
from serving.registry.files import replace_file, storage_told

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flows.judging import Judged
    from flows.retrain_plan import Plan
    from flows.settings import Settings
    from serving.registry.manifest import AdapterManifest
    from tuning.snapshot import Snapshot

__all__ = ["folder_files", "report_path", "write_report", "write_statements"]

RECIPE, DATA, GATE = "recipe.yaml", "data_statement.json", "gate_report.json"


def folder_files(folder: Path) -> dict[str, str]:
    """The name and sha256 of each file; of a folder that is gone none."""
    return file_digests(folder, sorted(path.name for path in folder.glob("*")))


@contextmanager
def write_statements(
    run: Path, plan: Plan, snapshot: Snapshot, judged: Judged, files: Mapping[str, str]
) -> Iterator[Path]:
    """A folder with the adapter of `run` and its statements, ready to be registered; gone at the end.

    `files` of the adapter as they were judged. Raises ModelStorageFull, and AdapterUnusable if they changed since.
    """
    folder = run / "registering"
    shutil.rmtree(folder, ignore_errors=True)  # left by a run that was killed
    try:
        with storage_told(run, "write the statements of an adapter"):
            _require_judged(run, folder_files(run / "adapter"), files)
            copy_adapter(run / "adapter", folder, sorted(files))
            _require_judged(run, folder_files(folder), files)
            recipe = yaml.safe_dump(plan.recipe.model_dump(mode="json"), sort_keys=False)
            replace_file(folder / RECIPE, recipe.encode())
            _write(folder / DATA, {"snapshot": snapshot.id, **snapshot.manifest.model_dump(mode="json")})
            _write(folder / GATE, _gate(judged))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_report(settings: Settings, manifest: AdapterManifest, judged: Judged) -> Path:
    """The report of a registered adapter, as JSON, and as text beside it; where it lies. Raises ModelStorageFull."""
    from tuning.content_leak import failures

    path = report_path(settings, manifest)
    shown = {"adapter": manifest.name, **_gate(judged), "leak_failures": list(failures(judged.content_leak))}
    parts = [judged.verdict.as_text(), judged.candidate.as_text(), *(b.as_text() for b in judged.baselines.values())]
    with storage_told(path.parent, "write the report of an adapter"):
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, shown)
        replace_file(path.with_suffix(".txt"), ("\n\n".join(parts) + "\n").encode())
    return path


def report_path(settings: Settings, manifest: AdapterManifest) -> Path:
    """Where the report of an adapter lies."""
    return settings.reports_root / f"{manifest.behaviour}-{manifest.version}.json"


def _require_judged(run: Path, found: Mapping[str, str], judged: Mapping[str, str]) -> None:
    changed = sorted(name for name in judged.keys() | found.keys() if found.get(name) != judged.get(name))
    if changed:
        raise AdapterUnusable(
            f"{', '.join(changed)} in {run / 'adapter'} changed while the gate judged, so nothing is registered.",
            remedy=f"Delete {run} and train again; look at the disk if nobody wrote there.",
        )


def _gate(judged: Judged) -> dict[str, Any]:
    return {
        **judged.verdict.as_json(),
        "calibration": dict(judged.calibration),
        "scores": judged.candidate.as_json(),
        "baselines": {name: baseline.as_json() for name, baseline in judged.baselines.items()},
        "content_leak": judged.content_leak.as_json(),
    }


def _write(path: Path, value: dict[str, Any]) -> None:
    replace_file(path, (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())
