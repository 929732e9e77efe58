"""The exact rendered text of the contract is pinned: changing it retires adapters, so it cannot happen by accident."""

from __future__ import annotations

import pytest

from tests.golden.regenerate import FOLDER, golden_texts


@pytest.mark.parametrize("name", sorted(golden_texts()))
def test_the_rendered_contract_equals_its_golden_file(name: str) -> None:
    assert golden_texts()[name] == (FOLDER / name).read_bytes().decode(), (
        f"tests/golden/{name} differs: if the contract is meant to change, run python -m tests.golden.regenerate,"
        " write a decision record, and train the adapters of this behaviour again."
    )


def test_no_golden_file_is_orphaned() -> None:
    found = {path.name for path in FOLDER.iterdir() if path.suffix in {".json", ".jsonl"}}
    assert found == set(golden_texts())
