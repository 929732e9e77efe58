"""A two-layer Llama with random weights and a byte tokenizer: real code paths in milliseconds."""

from __future__ import annotations

import json
from pathlib import Path

from serving.registry.models import ModelFolder

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CONTEXT = 256


def write_tiny_model(folder: Path, *, seed: int = 0, context: int = CONTEXT) -> ModelFolder:
    """Write the model into `folder`, as `save_pretrained` lays it out; a token is a byte, `context` counts them."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=256 + len(SPECIAL), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=context, rope_theta=100000.0,
        initializer_range=0.2, bos_token_id=None, eos_token_id=None, tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    write_tiny_tokenizer(folder)
    return ModelFolder("./tiny", folder, "w" * 64, "t" * 64, "Apache-2.0", "local")


def write_tiny_tokenizer(folder: Path) -> None:
    """Write tokenizer.json, its configuration and the chat template."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    pieces = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: index for index, piece in enumerate([*SPECIAL, *pieces])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": {"content": "<|im_end|>"}}), "utf-8")
    (folder / "chat_template.jinja").write_text(CHATML, "utf-8")


def write_adapter(base: Path, folder: Path, *, seed: int, rank: int = 4) -> Path:
    """Write a LoRA with random weights for the tiny model, as PEFT lays it out."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    network = AutoModelForCausalLM.from_pretrained(str(base))
    config = LoraConfig(r=rank, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    get_peft_model(network, config).save_pretrained(str(folder))
    return folder
