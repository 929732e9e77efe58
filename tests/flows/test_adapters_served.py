"""From a registered adapter to one that answers: promoted on the command line, verified, loaded into a real engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flows.settings import load_settings
from flows.wiring import open_adapters
from serving.assistant.engine import ScoreRequest
from serving.interface.behaviours import Behaviour
from serving.interface.fingerprint import fingerprint
from serving.registry.adapters import AdapterStore
from serving.registry.errors import AdapterDamaged, AdapterMismatch
from serving.registry.manifest import BaseIdentity
from serving.registry.models import prepare_model
from serving.registry.tokenizer import open_template
from tests.flows.calls import Command
from tests.serving.assistant.tiny_model import write_adapter, write_tiny_model
from tests.serving.registry.made_adapters import draft

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft's

Call = Callable[..., Command]
REQUEST = (5, 6, 7, 8), ((9,), (10,))


@pytest.fixture(autouse=True)
def tiny_base(working_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base model in force is a real network of two layers."""
    write_tiny_model(Path("tiny"))
    monkeypatch.setenv("GROUNDSKEEPER_BASE_MODEL", "./tiny")
    Path("no-starters").mkdir()
    monkeypatch.setenv("GROUNDSKEEPER_STARTER", "no-starters")


@pytest.fixture
def version() -> str:
    """A registered LoRA with random weights for that base."""
    model = prepare_model("./tiny", Path("var/models"))
    source = write_adapter(Path("tiny"), Path("trained"), seed=1)
    for extra in source.glob("*.md"):
        extra.unlink()
    config = source / "adapter_config.json"
    config.write_text(config.read_text("utf-8").replace('"tiny"', "null"), "utf-8")
    fields = draft(
        Behaviour.REFUSAL,
        base_model=BaseIdentity.of(model),
        contract=fingerprint(Behaviour.REFUSAL, open_template(model.path)),
    )
    return AdapterStore(Path("var/adapters")).register(source, fields).version


def scores(adapter: str | None) -> tuple[float, ...]:
    with open_adapters(load_settings(), lambda text: None) as adapters:
        running = adapters.production()[Behaviour.REFUSAL]
        assert running.adapter(Behaviour.REFUSAL) == adapter
        return adapters.engine.score([ScoreRequest(*REQUEST, adapter=running.adapter(Behaviour.REFUSAL))])[0]


def test_a_promoted_adapter_answers_and_after_a_rollback_the_base_does(call: Call, version: str):
    bare = scores(None)
    assert call("adapters", "promote", "refusal", version).code == 0
    tuned = scores(f"refusal@{version}")
    assert tuned != pytest.approx(bare)
    assert scores(f"refusal@{version}") == pytest.approx(tuned)
    assert call("adapters", "promote", "refusal", "few_shot").code == 0
    assert scores(None) == pytest.approx(bare)
    assert call("adapters", "rollback", "refusal").code == 0
    assert scores(f"refusal@{version}") == pytest.approx(tuned)


def test_one_flipped_byte_in_what_is_served_ends_the_command_that_would_load_it(call: Call, version: str):
    call("adapters", "promote", "refusal", version)
    weights = Path("var/adapters/refusal") / version / "adapter_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(AdapterDamaged, match=f"refusal@{version}"):
        scores(f"refusal@{version}")


def test_another_base_model_of_the_same_form_is_refused_what_was_trained_for_this_one(call: Call, version: str):
    call("adapters", "promote", "refusal", version)
    write_tiny_model(Path("tiny"), seed=2)
    with pytest.raises(AdapterMismatch, match="base model"):
        scores(f"refusal@{version}")
    done = call("adapters", "promote", "refusal", version, "--json")
    assert (done.code, done.document["error"]["kind"]) == (2, "adapter_mismatch")
