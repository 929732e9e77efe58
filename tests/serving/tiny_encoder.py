"""A two-layer BERT with random weights and a word tokenizer: a cross-encoder's real code paths in milliseconds."""

from __future__ import annotations

import json
from pathlib import Path

from serving.registry.models import ModelFolder

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a b c d e f g h red green blue one two three where is the ? . > #".split()
TOKENS = 48
"""What the encoder reads, special tokens included."""


def write_tiny_encoder(folder: Path, *, seed: int = 0, layers: int = 2) -> ModelFolder:
    """Write the model into `folder`, as `save_pretrained` lays it out."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=32, intermediate_size=64, num_hidden_layers=layers,
        num_attention_heads=4, max_position_embeddings=TOKENS, initializer_range=0.2,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    _write_tokenizer(folder)
    return ModelFolder("./tiny-encoder", folder, "e" * 64, "t" * 64, "Apache-2.0", "local")


def _write_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    vocabulary = {word: index for index, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    marks = [("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=marks
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "BertTokenizerFast", "model_max_length": TOKENS, "do_lower_case": True, "pad_token": "[PAD]",
        "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]",
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
