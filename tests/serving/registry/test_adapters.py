"""Adapters are registered once, whole or not at all, and not one changed byte of them is loaded."""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from serving.interface.behaviours import Behaviour
from serving.registry import adapter_folder
from serving.registry.adapters import AdapterStore, promotion_check
from serving.registry.channels import Channel, Channels
from serving.registry.digests import file_digest
from serving.registry.errors import (
    AdapterDamaged,
    AdapterMismatch,
    AdapterMissing,
    AdapterUnusable,
    ModelStorageFull,
    RegistryError,
    SwitchRefused,
)
from serving.registry.manifest import AdapterManifest
from tests.serving.registry.made_adapters import (
    BASE,
    BASES,
    CONTRACT,
    CONTRACTS,
    FAILED,
    NOON,
    OTHER_WEIGHTS,
    calibration,
    draft,
    write_source,
    write_weights,
)

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs" / "adapters.md"
STARTERS = sorted(path.parent for path in (ROOT / "infra" / "starter").glob("*/manifest.json"))
STATEMENTS = ("README.md", "data_statement.json", "gate_report.json", "recipe.yaml")
REFUSAL = Behaviour.REFUSAL


@pytest.fixture
def store(tmp_path: Path) -> AdapterStore:
    return AdapterStore(tmp_path / "adapters")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_source(tmp_path / "run", statements=STATEMENTS)


@pytest.fixture
def manifest(store: AdapterStore, source: Path) -> AdapterManifest:
    return store.register(source, draft())


@pytest.fixture
def folder(manifest: AdapterManifest, tmp_path: Path) -> Path:
    return tmp_path / "adapters" / "refusal" / manifest.version


def open_it(store: AdapterStore, manifest: AdapterManifest) -> Path:
    return store.open(manifest.behaviour, manifest.version, base=BASE, contract=CONTRACT).folder


def tree(root: Path) -> dict[str, bytes | None]:
    """Everything below a folder, hidden things too."""
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in root.rglob("*")}


def test_a_registered_adapter_is_the_one_that_was_trained(store: AdapterStore, source: Path, tmp_path: Path):
    manifest = store.register(source, draft())
    opened = store.open(REFUSAL, manifest.version, base=BASE, contract=CONTRACT)
    assert opened.manifest == manifest == store.show(REFUSAL, manifest.version)
    assert opened.folder == tmp_path / "adapters" / "refusal" / manifest.version
    for name in ("adapter_model.safetensors", "adapter_config.json", *STATEMENTS):
        assert (opened.folder / name).read_bytes() == (source / name).read_bytes()
    assert manifest.files.keys() == {"adapter_model.safetensors", "adapter_config.json", *STATEMENTS}
    assert {path.name for path in (tmp_path / "adapters").iterdir()} == {".lock", "refusal"}


def checked_without_us(folder: Path) -> subprocess.CompletedProcess[str]:
    """The commands that the documentation shows, run in a folder of our own choice."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (shown,) = [block for block in blocks if "sha256sum" in block]
    _, *commands = shown.splitlines()
    script = ["bash", "-e", "-c", "\n".join(commands)]
    return subprocess.run(script, cwd=folder, capture_output=True, text=True, check=False)


def test_every_starter_can_be_checked_without_us():
    assert len(STARTERS) >= 2
    for starter in STARTERS:
        done = checked_without_us(starter)
        assert done.returncode == 0, done.stderr
        sound = {line.removesuffix(": OK") for line in done.stdout.splitlines()}
        assert sound == {path.name for path in starter.iterdir()} - {"manifest.json.sha256"}


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json", "recipe.yaml", "manifest.json"])
def test_a_changed_byte_is_found_without_us_as_the_documentation_says(folder: Path, name: str):
    assert checked_without_us(folder).returncode == 0
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    done = checked_without_us(folder)
    assert done.returncode != 0
    assert f"{name}: FAILED" in done.stdout


def test_the_same_content_twice_is_one_version(store: AdapterStore, source: Path, folder: Path, tmp_path: Path):
    before = tree(folder)
    again = store.register(source, draft(created=NOON + timedelta(days=1), seed=9))
    assert (again.created, again.seed) == (NOON, 7)
    assert tree(folder) == before
    other = store.register(write_source(tmp_path / "other", weight=2), draft())
    assert other.version != again.version
    assert [entry.version for entry in store.list()] == sorted([again.version, other.version])


def test_an_adapter_that_failed_may_pass_later(store: AdapterStore, source: Path):
    failed, passed = store.register(source, draft(verdict=FAILED)), store.register(source, draft())
    assert failed.version != passed.version
    check = promotion_check(store, bases=BASES, contracts=CONTRACTS)
    check(REFUSAL, passed.version)
    with pytest.raises(SwitchRefused, match="refuses too much"):
        check(REFUSAL, failed.version)


@pytest.mark.parametrize("name", ["manifest.json", "manifest.json.sha256", "adapter_config.json", "recipe.yaml"])
def test_no_changed_byte_is_passed_over(store: AdapterStore, manifest: AdapterManifest, folder: Path, name: str):
    """Every byte, by turns, in files that are small; each by the smallest change."""
    whole = (folder / name).read_bytes()
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1
        (folder / name).write_bytes(changed)
        with pytest.raises(AdapterDamaged) as caught:
            open_it(store, manifest)
        assert manifest.name in str(caught.value)
        assert name in str(caught.value)
        assert f"Delete the folder {folder}" in caught.value.remedy
    (folder / name).write_bytes(whole)
    assert open_it(store, manifest) == folder


def test_weights_that_changed_are_refused_by_name(store: AdapterStore, manifest: AdapterManifest, folder: Path):
    write_weights(folder / "adapter_model.safetensors", b"\2")
    with pytest.raises(AdapterDamaged, match=r"adapter_model\.safetensors is not what it was: its sha256 begins"):
        open_it(store, manifest)
    assert store.show(REFUSAL, manifest.version) == manifest


@pytest.mark.parametrize(
    "name", ["adapter_model.safetensors", "adapter_config.json", "recipe.yaml", "manifest.json", "manifest.json.sha256"]
)
def test_a_file_that_is_gone_or_a_link_is_refused_by_name(
    store: AdapterStore, manifest: AdapterManifest, folder: Path, tmp_path: Path, name: str
):
    aside = (folder / name).rename(tmp_path / "aside")
    with pytest.raises(AdapterDamaged, match=f"{manifest.name} is damaged: {name} is gone"):
        open_it(store, manifest)
    (folder / name).symlink_to(aside)
    with pytest.raises(AdapterDamaged, match=f"{manifest.name} is damaged: {name} is a link"):
        open_it(store, manifest)


@pytest.mark.parametrize("name", ["more.safetensors", "adapter_model.bin", ".hidden", "notes.md"])
def test_a_file_too_many_is_refused_by_name(store: AdapterStore, manifest: AdapterManifest, folder: Path, name: str):
    (folder / name).write_bytes(b"")
    with pytest.raises(AdapterDamaged, match=f"{name} does not belong to it"):
        open_it(store, manifest)


def test_a_folder_too_many_is_refused_by_name(store: AdapterStore, manifest: AdapterManifest, folder: Path):
    (folder / "checkpoint-1").mkdir()
    with pytest.raises(AdapterDamaged, match="checkpoint-1 does not belong to it"):
        open_it(store, manifest)


def test_a_folder_that_is_a_link_is_refused(store: AdapterStore, manifest: AdapterManifest, folder: Path):
    aside = folder.rename(folder.with_name("aside"))
    folder.symlink_to(aside)
    with pytest.raises(AdapterDamaged, match="its folder is a link"):
        open_it(store, manifest)


def test_an_adapter_under_another_name_than_its_own_is_refused(
    store: AdapterStore, manifest: AdapterManifest, folder: Path
):
    shutil.copytree(folder, folder.with_name("0" * 12))
    with pytest.raises(AdapterDamaged, match=f"holds another adapter, {manifest.name}"):
        store.open(REFUSAL, "0" * 12, base=BASE, contract=CONTRACT)
    (folder.parents[1] / "citation").mkdir()
    shutil.copytree(folder, folder.parents[1] / "citation" / manifest.version)
    with pytest.raises(AdapterDamaged, match=f"holds another adapter, {manifest.name}"):
        store.verify(Behaviour.CITATION, manifest.version)


@pytest.mark.parametrize("version", ["0" * 12, "latest", "", "..", "../refusal", "prompt", "/etc/passwd"], ids=repr)
def test_a_version_that_is_not_there_is_told_with_those_that_are(
    store: AdapterStore, manifest: AdapterManifest, version: str
):
    with pytest.raises(AdapterMissing, match=f"registered are: {manifest.version}") as caught:
        store.open(REFUSAL, version, base=BASE, contract=CONTRACT)
    assert "`groundskeeper retrain refusal`" in caught.value.remedy
    with pytest.raises(AdapterMissing, match="registered are: none"):
        store.open(Behaviour.CITATION, version, base=BASE, contract=CONTRACT)


def test_an_adapter_of_another_base_or_contract_is_not_opened(store: AdapterStore, manifest: AdapterManifest):
    with pytest.raises(AdapterMismatch, match="package:other"):
        store.open(REFUSAL, manifest.version, base=OTHER_WEIGHTS, contract=CONTRACT)
    with pytest.raises(AdapterMismatch, match="contract"):
        store.open(REFUSAL, manifest.version, base=BASE, contract="e" * 64)
    with pytest.raises(AdapterMismatch):
        promotion_check(store, bases=dict.fromkeys(Behaviour, OTHER_WEIGHTS), contracts=CONTRACTS)(
            REFUSAL, manifest.version
        )


LORA = {"peft_type": "LORA"}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda run: shutil.rmtree(run), "it is not there, or no folder"),
        (lambda run: (run / "adapter_model.safetensors").unlink(), r"holds no adapter_model\.safetensors"),
        (lambda run: (run / "adapter_config.json").unlink(), r"holds no adapter_config\.json"),
        (lambda run: (run / "adapter_model.bin").write_bytes(b"pickle"), r"holds adapter_model\.bin; only"),
        (lambda run: (run / "training_args.pkl").write_bytes(b"pickle"), r"holds training_args\.pkl; only"),
        (lambda run: (run / "model.safetensors").write_bytes(b"more"), r"holds model\.safetensors; only"),
        (lambda run: (run / ".hidden.md").write_bytes(b""), r"holds \.hidden\.md; only"),
        (lambda run: (run / "my notes.md").write_bytes(b""), r"holds my notes\.md; only"),
        (lambda run: (run / "caf\u00e9.md").write_bytes(b""), "holds caf\u00e9.md; only"),
        (lambda run: Path(os.fsdecode(bytes(run) + b"/\xff.md")).write_bytes(b""), "holds \udcff.md; only"),
        (lambda run: (run / "checkpoint-1").mkdir(), "holds checkpoint-1, which is a link or no file"),
        (lambda run: (run / "data.json").symlink_to("/etc/hostname"), r"holds data\.json, which is a link"),
        (lambda run: os.mkfifo(run / "pipe.json"), r"holds pipe\.json, which is a link or no file"),
        (lambda run: (run / "manifest.json").write_text("{}"), r"holds a manifest\.json: it is registered already"),
        (lambda run: (run / "adapter_model.safetensors").write_bytes(b"\x80\4}q"), "that is no safetensors file"),
        (lambda run: (run / "adapter_model.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}"), "without a single tensor"),
        (lambda run: (run / "adapter_config.json").write_text("{"), "that is no JSON"),
        (lambda run: (run / "adapter_config.json").write_bytes(b"\xff"), "that is no JSON"),
        (lambda run: (run / "adapter_config.json").write_text("[" * 100_000), "that is no JSON"),
        (lambda run: (run / "adapter_config.json").write_text("[]"), "describes no LoRA"),
        (lambda run: (run / "adapter_config.json").write_text('{"peft_type": "IA3"}'), "describes no LoRA"),
        (
            lambda run: (run / "adapter_config.json").write_text(
                json.dumps({**LORA, "base_model_name_or_path": "/somewhere/else"})
            ),
            "names '/somewhere/else' as its base",
        ),
        (
            lambda run: (run / "adapter_config.json").write_text(json.dumps({**LORA, "init_lora_weights": "pissa"})),
            "init_lora_weights 'pissa' in adapter_config.json, which changes the base model itself",
        ),
        (
            lambda run: (run / "adapter_config.json").write_text(json.dumps({**LORA, "bias": "all"})),
            "bias 'all' in adapter_config.json, which changes the base model itself",
        ),
        (
            lambda run: (run / "adapter_config.json").write_text(json.dumps({**LORA, "layer_replication": [[0, 2]]})),
            r"layer_replication \[\[0, 2\]\] in adapter_config.json, which changes the base model itself",
        ),
    ],
)
def test_what_is_no_adapter_is_not_registered(store: AdapterStore, source: Path, spoil: Any, message: str):
    spoil(source)
    with pytest.raises(AdapterUnusable, match=message) as caught:
        store.register(source, draft())
    assert "no folders, links or pickles" in caught.value.remedy
    assert store.list() == []


def test_a_configuration_may_name_the_base_by_its_reference(store: AdapterStore, tmp_path: Path):
    source = write_source(tmp_path / "run", config={**LORA, "base_model_name_or_path": BASE.reference})
    assert open_it(store, store.register(source, draft()))


def test_a_truncated_weights_file_is_not_registered(store: AdapterStore, source: Path):
    path = source / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(AdapterUnusable, match="no safetensors file"):
        store.register(source, draft())


def test_a_damaged_adapter_gives_way_to_the_same_one_whole(
    store: AdapterStore, source: Path, manifest: AdapterManifest, folder: Path
):
    (folder / "adapter_config.json").write_text("{}", "utf-8")
    (folder / "more").mkdir()
    assert store.register(source, draft()) == manifest
    assert open_it(store, manifest) == folder
    shutil.rmtree(folder)
    folder.symlink_to("nowhere")
    assert store.register(source, draft()) == manifest
    assert open_it(store, manifest) == folder
    assert not folder.is_symlink()


def test_a_disk_that_is_full_is_told_and_leaves_nothing(
    store: AdapterStore, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(adapter_folder, "copy_synced", full)
    with pytest.raises(ModelStorageFull, match="too full to register an adapter"):
        store.register(source, draft())
    assert {path.name for path in (tmp_path / "adapters").iterdir()} == {".lock"}


def test_a_root_that_is_a_file_is_told(store: AdapterStore, source: Path, tmp_path: Path):
    (tmp_path / "adapters").write_text("in the way", "utf-8")
    with pytest.raises(RegistryError, match="cannot be used to register an adapter"):
        store.register(source, draft())


def test_nothing_is_made_by_looking(tmp_path: Path):
    store = AdapterStore(tmp_path / "adapters")
    assert store.list() == []
    assert not store.holds(REFUSAL, "0" * 12)
    assert not (tmp_path / "adapters").exists()


def test_the_list_names_what_is_in_use_and_what_is_wrong(store: AdapterStore, tmp_path: Path):
    channels = Channels(tmp_path / "channels.json")
    check = promotion_check(store, bases=BASES, contracts=CONTRACTS)
    old, new = (
        store.register(write_source(tmp_path / f"run{day}", weight=day), draft(created=NOON + timedelta(days=day)))
        for day in (1, 2)
    )
    reranker = store.register(write_source(tmp_path / "pairs"), draft(Behaviour.RERANK))
    for version in (old.version, new.version):
        channels.promote(Channel.PRODUCTION, REFUSAL, version, at=NOON, check=check)
    channels.promote(Channel.CANARY, REFUSAL, old.version, at=NOON, check=check)
    channels.promote(Channel.CANDIDATE, Behaviour.RERANK, reranker.version, at=NOON, check=check)
    assert [(entry.version, entry.channels) for entry in store.list(channels)] == [
        (old.version, (Channel.CANARY,)),
        (new.version, (Channel.PRODUCTION,)),
        (reranker.version, (Channel.CANDIDATE,)),
    ]
    write_weights(tmp_path / "adapters" / "refusal" / old.version / "adapter_model.safetensors", b"x")
    shutil.rmtree(tmp_path / "adapters" / "rerank")
    problems = [type(entry.problem) for entry in store.list(channels)]
    assert problems == [type(None), type(None), AdapterMissing]
    told = {entry.version: type(entry.problem) for entry in store.list(channels, verify=True)}
    assert told == {old.version: AdapterDamaged, new.version: type(None), reranker.version: AdapterMissing}


def test_processes_that_register_at_once_wait_for_each_other(store: AdapterStore, tmp_path: Path):
    sources = [write_source(tmp_path / f"run{weight}", weight=weight) for weight in (1, 2, 3)]

    def register(first: int) -> None:
        for turn in range(6):
            store.register(sources[(first + turn) % 3], draft())

    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=register, args=(first,)) for first in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    listed = store.list(verify=True)
    assert [entry.problem for entry in listed] == [None, None, None]
    assert not (tmp_path / "adapters" / ".staging").exists()


class Registering(RuleBasedStateMachine):
    """A store against a model: which versions there are, which of them are damaged."""

    kinds = st.tuples(st.sampled_from([REFUSAL, Behaviour.RERANK]), st.integers(0, 3), st.sampled_from([0.5, 0.25]))
    damages = st.sampled_from(["change", "remove", "add", "link"])

    @initialize()
    def begin(self) -> None:
        self.place = tempfile.TemporaryDirectory()
        self.root = Path(self.place.name)
        self.sound: dict[Any, AdapterManifest] = {}
        self.damaged: set[Any] = set()

    @property
    def store(self) -> AdapterStore:
        """A new one each time: nothing may live in memory alone."""
        return AdapterStore(self.root / "adapters")

    @rule(kind=kinds)
    def register(self, kind: Any) -> None:
        behaviour, weight, number = kind
        source = self.root / f"run{weight}"
        if not source.exists():
            write_source(source, weight=weight, statements=("recipe.yaml",))
        later = NOON + timedelta(minutes=len(self.sound))
        manifest = self.store.register(
            source, draft(behaviour, calibration=calibration(behaviour, number), created=later)
        )
        if kind in self.sound and kind not in self.damaged:
            assert manifest == self.sound[kind]
        self.sound[kind] = manifest
        self.damaged.discard(kind)

    @rule(kind=kinds, how=damages, data=st.data())
    def damage(self, kind: Any, how: str, data: st.DataObject) -> None:
        if kind not in self.sound or kind in self.damaged:
            return
        folder = self._folder(kind)
        path = data.draw(st.sampled_from(sorted(folder.iterdir())))
        if how == "change":
            content = bytearray(path.read_bytes())
            content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
            path.write_bytes(content)
        elif how == "add":
            (folder / "more.json").write_text("{}", "utf-8")
        else:
            aside = path.rename(self.root / f"aside-{len(list(self.root.iterdir()))}")
            if how == "link":
                path.symlink_to(aside)
        self.damaged.add(kind)

    @rule(kind=kinds)
    def delete(self, kind: Any) -> None:
        if kind in self.sound:
            shutil.rmtree(self._folder(kind))
            del self.sound[kind]
            self.damaged.discard(kind)

    @invariant()
    def what_is_sound_opens_and_what_is_damaged_does_not(self) -> None:
        for kind, manifest in self.sound.items():
            if kind in self.damaged:
                with pytest.raises(AdapterDamaged, match=manifest.name):
                    open_it(self.store, manifest)
            else:
                assert open_it(self.store, manifest) == self._folder(kind)
        listed = {(entry.behaviour, entry.version) for entry in self.store.list()}
        assert listed == {(kind[0], manifest.version) for kind, manifest in self.sound.items()}
        assert len(listed) == len(self.sound)

    def teardown(self) -> None:
        self.place.cleanup()

    def _folder(self, kind: Any) -> Path:
        return self.root / "adapters" / kind[0] / self.sound[kind].version


TestRegistering = Registering.TestCase
TestRegistering.settings = settings(max_examples=12, stateful_step_count=16, deadline=None)


def test_an_adapter_moves_to_another_machine_with_its_manifest(
    store: AdapterStore, manifest: AdapterManifest, folder: Path, tmp_path: Path
):
    elsewhere = AdapterStore(tmp_path / "elsewhere")
    assert elsewhere.adopt(folder, "it") == manifest
    assert tree(tmp_path / "elsewhere" / "refusal" / manifest.version) == tree(folder)
    assert elsewhere.adopt(folder, "it") == manifest
    (folder / "recipe.yaml").write_bytes(b"x")
    with pytest.raises(AdapterDamaged, match=r"The adapter it is damaged: recipe\.yaml"):
        elsewhere.adopt(folder, "it")


def test_a_pickle_is_not_adopted_even_with_a_manifest_that_lists_it(store: AdapterStore, folder: Path, tmp_path: Path):
    (folder / "adapter_model.bin").write_bytes(b"pickle")
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"]["adapter_model.bin"] = file_digest(folder / "adapter_model.bin")
    content = json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(content)
    (folder / "manifest.json.sha256").write_text(f"{hashlib.sha256(content).hexdigest()}  manifest.json\n", "utf-8")
    with pytest.raises(AdapterDamaged, match=r"manifest\.json cannot be read: String should match pattern"):
        AdapterStore(tmp_path / "elsewhere").adopt(folder, "it")


def test_what_is_deleted_while_it_is_read_is_missing(
    store: AdapterStore, manifest: AdapterManifest, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    def deleted_first(path: Path) -> str:
        shutil.rmtree(folder)
        return file_digest(path)

    monkeypatch.setattr(adapter_folder, "file_digest", deleted_first)
    with pytest.raises(AdapterMissing, match=f"no version '{manifest.version}' of refusal; registered are: none"):
        open_it(store, manifest)


def test_a_folder_that_may_not_be_looked_into_is_told(
    store: AdapterStore, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    def forbidden(path: Path) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", forbidden)
    with pytest.raises(RegistryError, match=f"{folder.parent} cannot be used to list the adapters: Permission denied"):
        store.list()


def test_a_copy_that_went_wrong_is_noticed_and_removed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(adapter_folder, "copy_synced", lambda source, target: target.write_bytes(b"x"))
    with pytest.raises(AdapterDamaged, match=r"The adapter it is damaged: manifest\.json"):
        AdapterStore(tmp_path / "elsewhere").adopt(folder, "it")
    assert {path.name for path in (tmp_path / "elsewhere").iterdir()} == {".lock"}
