"""Settings: what is read, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.errors import SettingsInvalid
from flows.settings import Settings, load_settings
from serving.interface.behaviours import Behaviour
from tests.architecture.tree import ROOT


def test_without_any_setting_state_lies_under_var():
    settings = load_settings()
    assert (settings.index_root, settings.models) == (Path("var/index"), Path("var/models"))


def test_moving_the_home_leaves_the_models_where_they_are():
    settings = load_settings(home=Path("elsewhere"))
    assert (settings.texts_root, settings.models) == (Path("elsewhere/texts"), Path("var/models"))


def test_the_command_line_wins_over_the_environment_and_the_environment_over_the_file(
    monkeypatch: pytest.MonkeyPatch,
):
    Path("groundskeeper.toml").write_text("top_k = 3\nseed = 3\nthreads = 3\n")
    monkeypatch.setenv("GROUNDSKEEPER_TOP_K", "2")
    monkeypatch.setenv("GROUNDSKEEPER_SEED", "2")
    settings = load_settings(top_k=1, seed=None)
    assert (settings.top_k, settings.seed, settings.threads) == (1, 2, 3)


def test_sources_are_read_from_the_file():
    Path("groundskeeper.toml").write_text('[[sources]]\nname = "wiki"\npath = "pages"\ntrust = "community"\n')
    (source,) = load_settings().sources
    assert (source.name, source.path, source.trust) == ("wiki", Path("pages"), "community")


def test_all_state_of_adapters_lies_in_the_home(tmp_path: Path):
    settings = load_settings(home=tmp_path)
    roots = (settings.adapters_root, settings.channels_path, settings.snapshots_root, settings.runs_root)
    assert {path.parent for path in (*roots, settings.reports_root)} == {tmp_path}


def test_the_starters_are_those_beside_the_code_wherever_one_works(monkeypatch: pytest.MonkeyPatch):
    assert load_settings().starter_root == ROOT / "infra" / "starter"
    monkeypatch.setenv("GROUNDSKEEPER_STARTER", "mine")
    assert load_settings().starter_root == Path("mine")


def test_rows_to_train_on_are_named_by_behaviour():
    Path("groundskeeper.toml").write_text('[training_data]\nrefusal = ["a.jsonl", "~/b.jsonl"]\n')
    data = load_settings().training_data
    assert data.keys() == {Behaviour.REFUSAL}
    assert data[Behaviour.REFUSAL] == (Path("a.jsonl"), Path("~/b.jsonl").expanduser())


WRONG_FILES = {
    "rows of an unknown behaviour": ("[training_data]\nsumming = ['a.jsonl']", "`training_data.summing"),
    "not toml": ("top_k = = 3", "is not TOML"),
    "not utf-8": ("seed = 'é'".encode("latin-1"), "cannot be read"),
    "an unknown key": ("topk = 3", "`topk`"),
    "out of bounds": ("top_k = 0", "`top_k` = 0"),
    "a wrong type": ("threads = 'many'", "`threads` = 'many'"),
    "a source without a path": ("[[sources]]\nname = 'a'", "`sources.0.path`"),
    "a source whose name breaks ids": ("[[sources]]\nname = 'a:b'\npath = 'x'", "`sources.0.name` = 'a:b'"),
    "a source with an empty path": ("[[sources]]\nname = 'a'\npath = ''", "`sources.0.path` = ''"),
    "an empty folder": ("models = ' '", "`models` = ' '"),
    "the folder of nobody": ("home = '~no-such-user/x'", "no-such-user"),
    "two sources of one name": ("[[sources]]\nname = 'a'\npath = 'x'\n" * 2, "Two sources have the name a"),
}


@pytest.mark.parametrize(("content", "named"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_a_wrong_file_is_refused_and_the_message_names_the_place(content: str | bytes, named: str):
    Path("groundskeeper.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingsInvalid) as refused:
        load_settings()
    assert named in str(refused.value)
    assert "groundskeeper.toml" in refused.value.remedy


@pytest.mark.parametrize("name", ["HOME", "MODELS"])
def test_an_empty_variable_never_stands_for_the_working_folder(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(f"GROUNDSKEEPER_{name}", "")
    with pytest.raises(SettingsInvalid, match=f"`{name.lower()}` = ''"):
        load_settings()


def test_a_tilde_is_the_home_of_the_user_in_every_path(monkeypatch: pytest.MonkeyPatch):
    Path("groundskeeper.toml").write_text('models = "~/m"\n[[sources]]\nname = "wiki"\npath = "~/w"\n')
    monkeypatch.setenv("HOME", "/tidy")
    settings = load_settings(home="~/h")
    assert (settings.home, settings.models, settings.sources[0].path) == (
        Path("/tidy/h"),
        Path("/tidy/m"),
        Path("/tidy/w"),
    )


def test_a_misspelt_variable_is_refused_rather_than_passed_over(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GROUNDSKEEPER_TOPK", "3")
    with pytest.raises(SettingsInvalid, match="GROUNDSKEEPER_TOPK"):
        load_settings()


def test_a_variable_that_is_no_json_list_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GROUNDSKEEPER_SOURCES", "docs")
    with pytest.raises(SettingsInvalid, match="sources"):
        load_settings()


def test_every_setting_is_described_and_every_number_is_bounded():
    assert len(Settings.model_fields) > 10
    for name, field in Settings.model_fields.items():
        assert field.description, name
        if field.annotation in (int, int | None):
            assert len(field.metadata) == 2, f"{name} needs a lower and an upper bound"
