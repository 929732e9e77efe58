"""An adapter that PEFT wrote and reads: registering keeps it loadable, and a pickle never comes that far."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serving.registry.adapters import AdapterStore
from serving.registry.errors import AdapterUnusable
from serving.registry.manifest import BaseIdentity
from serving.registry.models import prepare_model
from tests.serving.assistant.tiny_model import write_adapter, write_tiny_model
from tests.serving.registry.made_adapters import CONTRACT, draft

# PEFT asks transformers for an attribute by its old name.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("base")).path


def test_a_registered_adapter_gives_the_numbers_of_the_one_that_was_trained(base: Path, tmp_path: Path):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    def logits(adapter: Path) -> torch.Tensor:
        network = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter)
        with torch.inference_mode():
            return network(torch.arange(3, 20)[None]).logits

    run = write_adapter(base, tmp_path / "run", seed=1)
    model = prepare_model(str(base), tmp_path / "models")
    store, identity = AdapterStore(tmp_path / "adapters"), BaseIdentity.of(model)
    made = draft(base_model=identity)
    with pytest.raises(AdapterUnusable, match=r"as its base in adapter_config\.json"):
        store.register(run, made.model_copy(update={"base_model": identity.model_copy(update={"reference": "x"})}))
    config = json.loads((run / "adapter_config.json").read_text("utf-8"))
    (run / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": None}), "utf-8")
    manifest = store.register(run, made)
    opened = store.open(manifest.behaviour, manifest.version, base=identity, contract=CONTRACT)
    assert torch.equal(logits(opened.folder), logits(run))


def test_an_adapter_saved_as_a_pickle_is_refused(base: Path, tmp_path: Path):
    import torch
    from safetensors.torch import load_file

    run = write_adapter(base, tmp_path / "run", seed=1)
    weights = run / "adapter_model.safetensors"
    torch.save(load_file(weights), run / "adapter_model.bin")
    weights.unlink()
    with pytest.raises(AdapterUnusable, match=r"holds adapter_model\.bin; only"):
        AdapterStore(tmp_path / "adapters").register(run, draft())
