"""Small adapters made on the spot: real safetensors files of a few bytes, and what a training run knows of them."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from serving.interface.behaviours import Behaviour
from serving.registry.manifest import AdapterDraft, BaseIdentity, GateVerdict, Score

CONTRACT = "c" * 64
BASE = BaseIdentity(reference="package:tiny", weights_digest="a" * 64, tokenizer_digest="b" * 64)
OTHER_WEIGHTS = BASE.model_copy(update={"reference": "package:other", "weights_digest": "d" * 64})
OTHER_TOKENIZER = BASE.model_copy(update={"tokenizer_digest": "d" * 64})
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
BASES = dict.fromkeys(Behaviour, BASE)
CONTRACTS = dict.fromkeys(Behaviour, CONTRACT)


def write_source(folder: Path, *, weight: int = 1, config: Any = None, statements: tuple[str, ...] = ()) -> Path:
    """What a training run leaves: one tensor of one byte, its configuration, statements beside them."""
    folder.mkdir(parents=True)
    write_weights(folder / "adapter_model.safetensors", bytes([weight]))
    described = {"peft_type": "LORA", "r": 1, "base_model_name_or_path": None} if config is None else config
    (folder / "adapter_config.json").write_text(json.dumps(described), "utf-8")
    for name in statements:
        (folder / name).write_text(f"what {name} says\n", "utf-8")
    return folder


def write_weights(path: Path, content: bytes) -> None:
    header = json.dumps({"lora": {"dtype": "U8", "shape": [len(content)], "data_offsets": [0, len(content)]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + content)


def calibration(behaviour: Behaviour, number: float = 0.5) -> dict[str, float]:
    """The least that a behaviour must be calibrated with; `number` tells one from another."""
    return {"passage_tokens": 256.0, "weight": number} if behaviour is Behaviour.RERANK else {"threshold": number}


def draft(behaviour: Behaviour = Behaviour.REFUSAL, **changes: Any) -> AdapterDraft:
    fields: dict[str, Any] = {
        "behaviour": behaviour,
        "base_model": BASE,
        "contract": CONTRACT,
        "snapshot_id": "5e1ec7ed",
        "recipe_digest": "1" * 64,
        "gate_digest": "2" * 64,
        "seed": 7,
        "libraries": {"peft": "0.21.2"},
        "calibration": calibration(behaviour),
        "scores": {"auc": Score(value=0.8, low=0.7, high=0.9)},
        "baselines": {"few_shot": {"auc": Score(value=0.6, low=0.5, high=0.7)}},
        "verdict": GateVerdict(passed=True, reasons=("better than few_shot",)),
        "created": NOON,
    }
    return AdapterDraft(**(fields | changes))


FAILED = GateVerdict(passed=False, reasons=("no better than few_shot", "refuses too much"))
