"""The commands of the registry: what is listed, switched, verified, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.interface.behaviours import Behaviour
from serving.interface.fingerprint import fingerprint
from serving.registry.adapters import AdapterStore
from serving.registry.manifest import AdapterManifest, GateVerdict
from serving.registry.tokenizer import open_template
from tests.flows.calls import Command
from tests.flows.fake_models import prepare_tiny_model
from tests.serving.registry.made_adapters import FAILED, OTHER_WEIGHTS, draft, write_source

Call = Callable[..., Command]
Register = Callable[..., AdapterManifest]


@pytest.fixture
def register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Register:
    """Registers an adapter for the model in use, another one at each call."""
    template = open_template(prepare_tiny_model(tmp_path / "tiny", monkeypatch).path)
    made = 0

    def add(behaviour: Behaviour = Behaviour.REFUSAL, **changes: object) -> AdapterManifest:
        nonlocal made
        made += 1
        source = write_source(tmp_path / f"run-{made}", weight=made)
        fields = {"contract": fingerprint(behaviour, template)} | changes
        return AdapterStore(Path("var/adapters")).register(source, draft(behaviour, **fields))

    return add


def error(done: Command, kind: str, code: int) -> str:
    assert (done.code, done.document["error"]["kind"]) == (code, kind)
    assert done.document["error"]["remedy"]
    return str(done.document["error"]["message"])


def served(call: Call, behaviour: str = "refusal") -> str:
    return str(call("adapters", "list", "--json").document["production"][behaviour])


def test_without_an_adapter_everything_runs_un_tuned_and_the_list_says_so(call: Call):
    listed = call("adapters", "list", "--json").document
    assert listed["adapters"] == []
    assert listed["production"] == {
        "query_rewrite": "few_shot",
        "refusal": "few_shot",
        "citation": "few_shot",
        "rerank": "hybrid_order",
    }
    assert "No adapter is registered." in call("adapters", "list").out
    assert not Path("var").exists()


def test_a_list_names_each_version_its_verdict_and_who_uses_it(call: Call, register: Register):
    good, bad = register(), register(verdict=FAILED)
    call("adapters", "promote", "refusal", good.version)
    listed = {adapter["version"]: adapter for adapter in call("adapters", "list", "--json").document["adapters"]}
    assert (listed[good.version]["passed"], listed[good.version]["channels"]) == (True, ["production"])
    assert (listed[bad.version]["passed"], listed[bad.version]["channels"]) == (False, [])
    line = next(line for line in call("adapters", "list").out.splitlines() if line.startswith(bad.version))
    assert line.split() == [bad.version, "refusal", "2026-11-25", "12:00", "failed", "-"]


def test_what_is_shown_of_a_version_holds_scores_baselines_reasons_and_history(call: Call, register: Register):
    version = register().version
    call("adapters", "promote", "refusal", version)
    shown = call("adapters", "show", "refusal", "--json").document
    assert shown["value"] == shown["manifest"]["version"] == version
    assert [switch["action"] for switch in shown["history"]] == ["promote"]
    text = call("adapters", "show", "refusal", version).out
    assert "auc  0.800 [0.700, 0.900]  0.600 [0.500, 0.700]" in text
    assert "better than few_shot" in text


@pytest.mark.parametrize(("passed", "said"), [(True, "The gate passed it."), (False, "The gate did not pass it.")])
def test_a_verdict_without_reasons_promises_none(call: Call, register: Register, passed: bool, said: str):
    version = register(verdict=GateVerdict(passed=passed, reasons=())).version
    assert said in call("adapters", "show", "refusal", version).out.splitlines()


def test_a_promoted_version_is_served_until_it_is_rolled_back(call: Call, register: Register):
    first, second = register().version, register().version
    assert call("adapters", "promote", "refusal", first, "--json").document["before"] == "few_shot"
    call("adapters", "promote", "refusal", second)
    assert served(call) == second
    back = call("adapters", "rollback", "refusal", "--json").document
    assert (back["before"], back["value"], back["action"]) == (second, first, "rollback")
    assert served(call) == first
    assert "already" in call("adapters", "promote", "refusal", first).out


def test_there_is_a_way_back_to_running_un_tuned(call: Call, register: Register):
    call("adapters", "promote", "refusal", register().version)
    assert call("adapters", "promote", "refusal", "prompt").code == 0
    assert served(call) == "prompt"
    error(call("adapters", "promote", "refusal", "hybrid_order", "--json"), "adapter_missing", 2)
    assert call("adapters", "promote", "rerank", "hybrid_order").code == 0


def test_what_the_gate_did_not_pass_is_not_promoted_and_its_reasons_are_told(call: Call, register: Register):
    bad = register(verdict=FAILED).version
    told = error(call("adapters", "promote", "refusal", bad, "--json"), "switch_refused", 1)
    assert all(reason in told for reason in FAILED.reasons)
    assert served(call) == "few_shot"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [({"base_model": OTHER_WEIGHTS}, "adapter_mismatch"), ({"contract": "0" * 64}, "adapter_mismatch")],
    ids=["another base model", "another contract"],
)
def test_what_was_made_for_something_else_is_not_promoted(
    call: Call, register: Register, changes: dict[str, object], kind: str
):
    error(call("adapters", "promote", "refusal", register(**changes).version, "--json"), kind, 2)
    assert served(call) == "few_shot"


def test_a_rollback_of_nothing_is_not_so(call: Call, register: Register):
    error(call("adapters", "rollback", "refusal", "--json"), "switch_refused", 1)
    call("adapters", "promote", "refusal", register().version)
    error(call("adapters", "rollback", "refusal", "--json"), "switch_refused", 1)


def test_one_flipped_byte_is_found_named_and_refused(call: Call, register: Register):
    version = register().version
    call("adapters", "promote", "refusal", version)
    sound = call("adapters", "verify", "--json")
    assert (sound.code, sound.document["healthy"]) == (0, True)
    weights = Path("var/adapters/refusal") / version / "adapter_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    damaged = call("adapters", "verify", "--json")
    (problem,) = [adapter["problem"] for adapter in damaged.document["adapters"]]
    assert (damaged.code, damaged.document["healthy"], problem["kind"]) == (1, False, "adapter_damaged")
    assert f"refusal@{version}" in problem["message"]
    assert "adapter_model.safetensors" in problem["message"]
    assert call("adapters", "verify", "citation").code == 0
    assert "WRONG" in call("adapters", "verify").out


def test_a_version_in_production_that_is_gone_is_found(call: Call, register: Register):
    version = register().version
    call("adapters", "promote", "refusal", version)
    (Path("var/adapters/refusal") / version).rename("elsewhere")
    gone = call("adapters", "verify", "--json")
    assert gone.code == 1
    assert gone.document["adapters"][0]["problem"]["kind"] == "adapter_missing"


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "manifest.json"])
def test_the_way_out_of_a_damaged_adapter_that_its_message_names_leads_out(
    call: Call, register: Register, tmp_path: Path, name: str
):
    made = register()
    call("adapters", "promote", "refusal", made.version)
    folder = Path("var/adapters/refusal").absolute() / made.version
    (folder / name).write_bytes(b"other")
    (told,) = [listed["problem"] for listed in call("adapters", "verify", "--json").document["adapters"]]
    assert f"Delete the folder {folder}" in told["remedy"]
    assert "run the `groundskeeper retrain` that made it again, with the same arguments" in told["remedy"]
    shutil.rmtree(folder)
    assert "promote another or an un-tuned mode first" in call("adapters", "show", "refusal").err
    assert call("adapters", "promote", "refusal", "few_shot").code == 0
    retrained = AdapterStore(Path("var/adapters")).register(tmp_path / "run-1", draft(contract=made.contract))
    assert retrained == made
    assert call("adapters", "promote", "refusal", made.version).code == 0
    assert call("adapters", "verify").code == 0


def test_channels_that_cannot_be_read_are_told(call: Call):
    Path("var").mkdir()
    Path("var/channels.json").write_text("{")
    for arguments in (["list"], ["verify"], ["show", "refusal"], ["rollback", "refusal"]):
        error(call("adapters", *arguments, "--json"), "channels_damaged", 2)
    damaged = call("doctor", "--json")
    assert damaged.code == 1
    assert "channels.json" in str([check for check in damaged.document["checks"] if not check["ok"]])
