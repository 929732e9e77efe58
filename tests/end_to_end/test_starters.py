"""The adapters that the project brings are whole, fit the embedded base and today's contract, and are put into service.

A change of the contract, of the embedded base or of its template makes these tests fail: then train the starters again
(infra/starter/README.md).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.production import Fit, fit_to
from flows.settings import STARTER
from serving.interface.behaviours import Behaviour
from serving.registry.adapters import AdapterStore
from serving.registry.channels import Channel, Channels
from serving.registry.models import ModelFolder
from serving.registry.starter import Adopted, adopt_starters, read_starters
from serving.registry.tokenizer import open_template
from tuning.thresholds import gate_digest, packaged_thresholds, read_thresholds

BROUGHT = {manifest.behaviour: manifest for manifest in read_starters(STARTER)}
EIGHT_MEGABYTES = 8_000_000


@pytest.fixture(scope="module")
def fit(base_model: ModelFolder, embedder_model: ModelFolder) -> Fit:
    return fit_to(open_template(base_model.path), base_model, embedder_model)


def test_there_are_starters() -> None:
    assert {Behaviour.QUERY_REWRITE, Behaviour.REFUSAL} <= BROUGHT.keys()


@pytest.mark.models
def test_first_use_takes_all_of_them_into_service(tmp_path: Path, fit: Fit) -> None:
    store, channels = AdapterStore(tmp_path / "adapters"), Channels(tmp_path / "channels.json")
    taken = adopt_starters(
        STARTER, store, channels, bases=fit.bases, contracts=fit.contracts, at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert taken == [Adopted(b, BROUGHT[b].version, copied=True, promoted=True) for b in Behaviour if b in BROUGHT]
    for behaviour, manifest in BROUGHT.items():
        assert channels.value(Channel.PRODUCTION, behaviour) == manifest.version
        assert fit.open(store, behaviour, manifest.version).manifest == manifest


@pytest.mark.parametrize("behaviour", BROUGHT, ids=str)
def test_a_starter_has_passed_the_gate_and_says_how_it_was_made(behaviour: Behaviour) -> None:
    manifest, folder = BROUGHT[behaviour], STARTER / behaviour
    assert manifest.verdict.passed
    assert {"recipe.yaml", "data_statement.json", "gate_report.json"} <= manifest.files.keys()
    assert max(path.stat().st_size for path in folder.iterdir()) <= EIGHT_MEGABYTES
    assert manifest.gate_digest == gate_digest(read_thresholds(packaged_thresholds(behaviour)))
    statement = json.loads((folder / "data_statement.json").read_text("utf-8"))
    assert statement["snapshot"] == manifest.snapshot_id
    assert all(source["licence"] for source in statement["sources"])
