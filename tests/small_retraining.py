"""A real retraining of the refusal adapter that takes little: some of the own rows, and a gate that asks for few."""

from __future__ import annotations

import re
from pathlib import Path

from tests.architecture.tree import ROOT

__all__ = ["write_small_retraining"]

RECIPE = """
behaviour: refusal
lora: {rank: 8, alpha: 16, upper_layers: 0.34}
learning_rate: 1.0e-3
epochs: 3
examples_per_sequence: 8
tokens_per_sequence: 512
sequences_per_step: 1
checkpoint_seconds: 3
"""


def write_small_retraining(folder: Path, rows: int) -> list[str]:
    """Write rows, charter, recipe and gate into `folder`; returns them as options of `retrain refusal`."""
    lines = (ROOT / "tests" / "rows" / "refusal.jsonl").read_text("utf-8").splitlines()[:rows]
    charter = (ROOT / "tuning" / "charters" / "refusal.yaml").read_text("utf-8")
    gate = (ROOT / "tuning" / "gates" / "refusal.yaml").read_text("utf-8")
    texts = {
        "data": "\n".join(lines) + "\n",
        "recipe": RECIPE,
        "charter": re.sub(r"minimum: \d+", "minimum: 10", charter),
        "gate": re.sub(r"least_judged: \d+", "least_judged: 4", gate),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    return [word for name in texts for word in (f"--{name}", str(folder / name))]
