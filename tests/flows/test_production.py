"""What is served: starters once, verified versions by name, and nothing that does not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flows.production import Adapters, adapters_of, adopt, open_registry
from flows.settings import Settings, load_settings
from serving.assistant.running import Running
from serving.interface.behaviours import Behaviour
from serving.interface.fingerprint import fingerprint
from serving.registry.adapters import AdapterStore
from serving.registry.channels import Channel
from serving.registry.errors import AdapterDamaged, AdapterMismatch
from serving.registry.manifest import AdapterManifest
from tests.flows.calls import Command
from tests.flows.fake_models import LoadingEngine, tiny_folder
from tests.serving.interface.chatml import CHATML
from tests.serving.registry.made_adapters import FAILED, NOON, OTHER_WEIGHTS, draft, write_source


@pytest.fixture
def settings(working_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Starters lie in the folder `starter`, which is not there yet."""
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
    Path("starter").mkdir(exist_ok=True)
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
    assert f"{name} is a starter" in call("adapters", "list").out
    assert name in next(line for line in call("doctor").out.splitlines() if "starters:" in line)
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
