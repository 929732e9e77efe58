"""One GGUF file to a float32 folder that every library here reads.

Quantised weights are multiplied out once: training needs float weights, and both engines must run the same
base. The result is the same bytes on every machine (one multiplication and one addition an element, no sums).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["convert_gguf"]


def convert_gguf(source: Path, target: Path, *, pre_tokenizer: Mapping[str, Any] | None) -> None:
    """Write weights, configuration, tokenizer and chat template of `source` into the folder `target`.

    `pre_tokenizer`: the definition to put into `tokenizer.json`, where the conversion's own is wrong.
    Takes about 30 s and 2 GB for 135 million weights.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = {"pretrained_model_name_or_path": str(source.parent), "gguf_file": source.name}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    model: Any = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    # The weights are plain now; with these two left, saving would call them quantised.
    model.hf_quantizer = None
    del model.config.quantization_config
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    if pre_tokenizer is not None:
        _replace_pre_tokenizer(target / "tokenizer.json", pre_tokenizer)


def _replace_pre_tokenizer(path: Path, definition: Mapping[str, Any]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    content["pre_tokenizer"] = dict(definition)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
