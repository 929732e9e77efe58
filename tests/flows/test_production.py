"""What is served: starters once, verified versions by name, and nothing that does not fit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.errors import SettingsInvalid
from flows.production import Adapters, adapters_of, adopt, open_registry, require_sound
from flows.settings import Settings, load_settings
from serving.assistant.running import Running
from serving.interface.behaviours import Behaviour
from serving.interface.fingerprint import fingerprint
from serving.registry.adapters import AdapterStore
from serving.registry.channels import Channel
from serving.registry.errors import AdapterDamaged, AdapterMismatch, AdapterMissing
from serving.registry.manifest import AdapterManifest
from tests.flows.calls import Command
from tests.flows.fake_models import LoadingEngine, tiny_folder
from tests.serving.interface.chatml import CHATML
from tests.serving.registry.made_adapters import FAILED, NOON, OTHER_WEIGHTS, draft, write_source


@pytest.fixture
def settings(working_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Starters lie in the folder `starter`, which is empty."""
    Path("starter").mkdir()
    monkeypatch.setenv("GROUNDSKEEPER_STARTER", "starter")
    return load_settings()


@pytest.fixture
def adapters(settings: Settings, tmp_path: Path) -> Adapters:
    """The registry of the home, beside an engine that runs the tiny model."""
    return adapters_of(settings, LoadingEngine(), tiny_folder(tmp_path / "tiny"), lambda text: None)


def starter(behaviour: Behaviour = Behaviour.REFUSAL, *, weight: int = 1, **changes: object) -> AdapterManifest:
    """Puts a starter for the tiny model into the folder `starter`."""
    fields = {"contract": fingerprint(behaviour, CHATML)} | changes
    made = AdapterStore(Path(f"made-{weight}")).register(
        write_source(Path(f"run-{weight}"), weight=weight), draft(behaviour, **fields)
    )
    (Path(f"made-{weight}") / behaviour / made.version).rename(Path("starter") / behaviour)
    return made


def taken(settings: Settings, adapters: Adapters) -> list[str]:
    said: list[str] = []
    adopt(settings, adapters, said.append, at=NOON)
    return said


def loaded(adapters: Adapters) -> dict[str, Path]:
    assert isinstance(adapters.engine, LoadingEngine)
    return adapters.engine.loaded


def test_a_starter_waits_until_it_is_taken_over_and_list_and_doctor_say_so(
    settings: Settings, adapters: Adapters, call: Callable[..., Command]
):
    name = starter().name
    listed = call("adapters", "list", "--json").document
    assert (listed["adapters"], listed["waiting_starters"]) == ([], [name])
    assert f"{name} is a starter; the first answer takes it over if it fits." in call("adapters", "list").out
    assert f"{name}: the first answer takes it over" in call("doctor").out
    taken(settings, adapters)
    listed = call("adapters", "list", "--json").document
    assert (len(listed["adapters"]), listed["waiting_starters"]) == (1, [])
    assert "none waits" in call("doctor").out


def test_without_starters_everything_runs_un_tuned(settings: Settings, adapters: Adapters):
    assert taken(settings, adapters) == []
    assert {behaviour.value: running.mode for behaviour, running in adapters.production().items()} == {
        "query_rewrite": "few_shot",
        "refusal": "few_shot",
        "citation": "few_shot",
        "rerank": "hybrid_order",
    }
    assert loaded(adapters) == {}
    assert not Path("var").exists()


def test_a_starter_is_taken_over_once_and_served_with_its_numbers(settings: Settings, adapters: Adapters):
    version = starter().version
    assert taken(settings, adapters) == [f"Took the starter refusal@{version} into service."]
    assert taken(settings, adapters) == []
    assert adapters.production()[Behaviour.REFUSAL] == Running(version, {"threshold": 0.5})
    (folder,) = loaded(adapters).values()
    assert loaded(adapters).keys() == {f"refusal@{version}"}
    assert folder.is_relative_to(settings.adapters_root.absolute())


@pytest.mark.parametrize("changes", [{"base_model": OTHER_WEIGHTS}, {"contract": "0" * 64}, {"verdict": FAILED}])
def test_a_starter_that_does_not_fit_is_left_and_said_with_the_reason(
    settings: Settings, adapters: Adapters, changes: dict[str, object]
):
    starter(**changes)
    (said,) = taken(settings, adapters)
    assert said.startswith("refusal runs few_shot; its starter is not used.")
    assert adapters.production()[Behaviour.REFUSAL] == Running("few_shot")
    assert not settings.adapters_root.exists()


def test_what_a_user_chose_is_neither_replaced_by_a_starter_nor_talked_about(settings: Settings, adapters: Adapters):
    channels = adapters.registry.channels
    channels.promote(Channel.PRODUCTION, Behaviour.REFUSAL, "prompt", at=NOON, check=lambda behaviour, value: None)
    starter()
    assert taken(settings, adapters) == []
    assert adapters.production()[Behaviour.REFUSAL] == Running("prompt")


def test_a_starter_that_does_not_fit_is_not_talked_about_where_a_user_chose(settings: Settings, adapters: Adapters):
    channels = adapters.registry.channels
    channels.promote(Channel.PRODUCTION, Behaviour.REFUSAL, "few_shot", at=NOON, check=lambda behaviour, value: None)
    starter(contract="0" * 64)
    assert taken(settings, adapters) == []


def test_a_damaged_starter_is_an_error_and_nothing_is_taken_over(settings: Settings, adapters: Adapters):
    starter()
    Path("starter/refusal/adapter_model.safetensors").write_bytes(b"other")
    with pytest.raises(AdapterDamaged):
        taken(settings, adapters)
    assert adapters.registry.value(Behaviour.REFUSAL) == "few_shot"


def flip_a_byte(weights: Path) -> None:
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)


@pytest.mark.parametrize("behaviour", [Behaviour.REFUSAL, Behaviour.QUERY_REWRITE])
def test_a_damaged_starter_of_any_behaviour_is_told_before_hours_of_training(settings: Settings, behaviour: Behaviour):
    starter(behaviour)
    require_sound(settings, Behaviour.REFUSAL)
    flip_a_byte(Path("starter") / behaviour / "adapter_model.safetensors")
    with pytest.raises(AdapterDamaged, match=f"{behaviour}.*safetensors"):
        require_sound(settings, Behaviour.REFUSAL)


def test_what_is_served_must_be_there_before_hours_of_training_unless_a_starter_brings_it_back(
    settings: Settings, adapters: Adapters
):
    starter()
    taken(settings, adapters)
    require_sound(settings, Behaviour.REFUSAL)
    shutil.rmtree(settings.adapters_root)
    require_sound(settings, Behaviour.REFUSAL)
    shutil.rmtree("starter/refusal")
    with pytest.raises(AdapterMissing):
        require_sound(settings, Behaviour.REFUSAL)
    require_sound(settings, Behaviour.CITATION)


def test_one_flipped_byte_in_a_starter_is_found_before_an_answer_needs_it_and_its_file_is_named(
    settings: Settings, call: Callable[..., Command]
):
    starter()
    sound = starter(Behaviour.CITATION, weight=2).name
    flip_a_byte(Path("starter/refusal/adapter_model.safetensors"))
    found = call("adapters", "verify", "--json")
    (damaged,) = found.document["damaged_starters"]
    assert (found.code, found.document["healthy"], damaged["kind"]) == (1, False, "adapter_damaged")
    assert "refusal (a starter) is damaged: adapter_model.safetensors" in damaged["message"]
    assert found.document["waiting_starters"] == [sound]
    assert "WRONG: The adapter refusal (a starter)" in call("adapters", "verify").out
    assert call("adapters", "verify", "citation").code == 0
    check = next(check for check in call("doctor", "--json").document["checks"] if check["name"] == "starters")
    assert (check["ok"], "adapter_model.safetensors" in check["found"]) == (False, True)
    assert "starter/refusal" in check["mend"]


def test_a_starter_without_a_sound_manifest_hides_nothing_from_the_list(
    settings: Settings, call: Callable[..., Command]
):
    starter()
    sound = starter(Behaviour.CITATION, weight=2).name
    Path("starter/refusal/manifest.json").unlink()
    listed = call("adapters", "list", "--json")
    (damaged,) = listed.document["damaged_starters"]
    assert (listed.code, listed.document["waiting_starters"]) == (0, [sound])
    assert "manifest.json is gone" in damaged["message"]


@pytest.mark.parametrize("arguments", [["list"], ["verify"], ["promote", "refusal", "0" * 12]])
def test_a_folder_of_starters_that_is_not_there_is_refused_by_name(
    call: Callable[..., Command], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
):
    monkeypatch.setenv("GROUNDSKEEPER_STARTER", "mistyped")
    done = call("adapters", *arguments, "--json")
    assert (done.code, done.document["error"]["kind"]) == (2, "settings_invalid")
    assert "`starter` = mistyped" in done.document["error"]["message"]


def test_no_answer_begins_with_a_folder_of_starters_that_is_not_there_and_the_doctor_finds_it(
    settings: Settings, adapters: Adapters, call: Callable[..., Command]
):
    Path("starter").rmdir()
    with pytest.raises(SettingsInvalid, match="`starter` = starter is no folder"):
        taken(settings, adapters)
    (wrong,) = [line for line in call("doctor").out.splitlines() if line.startswith("WRONG starters")]
    assert "`starter` = starter" in wrong


def test_an_installation_without_the_starters_of_the_project_begins_un_tuned(
    tmp_path: Path, call: Callable[..., Command], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("flows.settings.STARTER", tmp_path / "nowhere")
    adapters = adapters_of(load_settings(), LoadingEngine(), tiny_folder(tmp_path / "tiny"), lambda text: None)
    assert taken(load_settings(), adapters) == []
    assert call("adapters", "verify").code == 0


def test_a_starter_that_waits_is_told_from_a_version_that_does_not_exist(
    settings: Settings, adapters: Adapters, call: Callable[..., Command]
):
    made = starter()
    for verb in ("show", "promote"):
        told = call("adapters", verb, "refusal", made.version, "--json").document["error"]
        assert told["kind"] == "adapter_missing"
        assert f"{made.name} is a starter, and not registered yet: the first answer takes it over" in told["message"]
        assert "groundskeeper ask" in told["remedy"]
        assert "is a starter" not in call("adapters", verb, "refusal", "0" * 12).err
    taken(settings, adapters)
    assert call("adapters", "show", "refusal", made.version).code == 0


def test_a_starter_that_was_deleted_while_it_was_served_is_said_to_come_back(
    settings: Settings, adapters: Adapters, call: Callable[..., Command]
):
    made = starter()
    taken(settings, adapters)
    shutil.rmtree(settings.adapters_root)
    assert "the first answer takes it over" in call("adapters", "show", "refusal").err
    taken(settings, adapters)
    assert call("adapters", "verify").code == 0
    assert adapters.registry.value(Behaviour.REFUSAL) == made.version


def test_where_a_user_chose_nobody_says_that_the_starter_will_be_served_and_it_is_not(
    settings: Settings, adapters: Adapters, call: Callable[..., Command]
):
    made = starter()
    assert call("adapters", "promote", "refusal", "few_shot").code == 0
    for told in (call("adapters", "list").out, call("doctor").out):
        assert (
            "the first answer registers it if it fits, and production goes on with few_shot, which was chosen" in told
        )
        assert "takes it over" not in told
    taken(settings, adapters)
    assert adapters.registry.value(Behaviour.REFUSAL) == "few_shot"
    assert call("adapters", "show", "refusal", made.version).code == 0


def test_a_version_in_production_that_was_damaged_since_is_refused(settings: Settings, adapters: Adapters):
    version = starter().version
    taken(settings, adapters)
    (settings.adapters_root / "refusal" / version / "adapter_model.safetensors").write_bytes(b"other")
    with pytest.raises(AdapterDamaged, match=f"refusal@{version}"):
        adapters.production()
    assert loaded(adapters) == {}


def test_another_base_model_refuses_what_production_serves_and_names_the_remedy(
    settings: Settings, adapters: Adapters, tmp_path: Path
):
    starter()
    taken(settings, adapters)
    model = tiny_folder(tmp_path / "other")
    other = type(model)(**(vars(model) | {"weights_digest": "d" * 64}))
    moved = adapters_of(settings, LoadingEngine(), other, lambda text: None)
    with pytest.raises(AdapterMismatch) as refused:
        moved.production()
    assert "retrain refusal" in refused.value.remedy


def test_the_doctor_finds_that_what_is_served_was_made_for_another_base_model(
    settings: Settings,
    adapters: Adapters,
    tmp_path: Path,
    call: Callable[..., Command],
    monkeypatch: pytest.MonkeyPatch,
):
    starter()
    taken(settings, adapters)
    model = tiny_folder(tmp_path / "other")
    for digest, fits in ((model.weights_digest, True), ("d" * 64, False)):
        asked = type(model)(**(vars(model) | {"weights_digest": digest}))
        monkeypatch.setattr("serving.registry.models.prepare_model", lambda *args, progress=None, asked=asked: asked)
        monkeypatch.setattr("flows.doctor._is_prepared", lambda reference, root: True)
        checks = {check["name"]: check for check in call("doctor", "--json").document["checks"]}
        assert checks["production of refusal"]["ok"] is fits
        assert checks["production of citation"]["found"] == "few_shot, un-tuned"
    assert "retrain refusal" in checks["production of refusal"]["mend"]


def test_a_candidate_is_tried_out_under_a_name_of_its_weights(adapters: Adapters):
    one, other = (write_source(Path(f"run-{weight}"), weight=weight) for weight in (1, 2))
    names = {adapters.try_out(Behaviour.CITATION, folder).mode for folder in (one, other, one)}
    assert len(names) == 2
    assert loaded(adapters).keys() == {f"citation@{name}" for name in names}
    assert open_registry(load_settings()).store.list() == []


def test_the_models_that_a_reranker_needs_are_prepared_only_where_one_is_used(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    model, asked = tiny_folder(tmp_path / "tiny"), list[str]()
    monkeypatch.setattr(
        "serving.registry.models.prepare_model", lambda reference, root, *, progress: asked.append(reference) or model
    )
    adapters_of(settings, LoadingEngine(), model, lambda text: None)
    assert asked == []
    starter(Behaviour.RERANK)
    adapters_of(settings, LoadingEngine(), model, lambda text: None)
    assert asked == [settings.reranker_base]
