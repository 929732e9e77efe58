"""Our text may give orders, nobody else's can; on a byte tokenizer with three special tokens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.registry.errors import ModelRefused
from serving.registry.tokenizer import ModelTokenizer, chat_template_source, open_template, open_tokenizer
from tests.serving.assistant.tiny_model import CHATML, SPECIAL, write_tiny_tokenizer

SPECIAL_IDS = set(range(len(SPECIAL)))
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
HOSTILE = st.lists(TEXT | st.sampled_from(SPECIAL), max_size=6).map("".join)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tiny_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> ModelTokenizer:
    return open_tokenizer(folder)


@given(text=HOSTILE)
def test_data_never_becomes_a_special_token_and_comes_back_as_it_was(tokenizer: ModelTokenizer, text: str):
    ids = tokenizer.encode_data(text)
    assert SPECIAL_IDS.isdisjoint(ids)
    assert tokenizer.decode(ids) == text


def test_trusted_text_gives_orders(tokenizer: ModelTokenizer):
    ids = tokenizer.encode_trusted("<|im_start|>user\n")
    assert ids[0] == 1
    assert SPECIAL_IDS.isdisjoint(ids[1:])
    assert tokenizer.decode(ids) == "user\n"


def test_nothing_is_added_or_cut(folder: Path, tmp_path: Path):
    content = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    content["truncation"] = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    content["padding"] = {
        "strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": None,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "<|endoftext|>",
    }  # fmt: skip
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    tokenizer = open_tokenizer(tmp_path)
    assert len(tokenizer.encode_data("one two three")) == 13
    assert len(tokenizer.encode_trusted("ab")) == 2


def test_a_tokenizer_that_lets_data_give_orders_is_refused(folder: Path, tmp_path: Path):
    """With `ignore_merges` a whole word of the vocabulary is taken as it stands, special or not."""
    content = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    content["model"]["ignore_merges"] = True
    content["pre_tokenizer"] = {"type": "WhitespaceSplit"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    with pytest.raises(
        ModelRefused, match="turns the plain text '<|endoftext|>' into a control token".replace("|", r"\|")
    ):
        open_tokenizer(tmp_path)


def test_a_model_without_a_tokenizer_is_refused(tmp_path: Path):
    with pytest.raises(ModelRefused, match=r"no tokenizer\.json"):
        open_tokenizer(tmp_path)


def test_the_template_comes_with_the_tokens_it_may_name(folder: Path):
    template = open_template(folder)
    assert (template.source, template.bos_token, template.eos_token) == (CHATML, "", "<|im_end|>")
    assert template.closing == "<|im_end|>\n"


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("{{ a }}", "{{ a }}"),
        ([{"name": "tools", "template": "t"}, {"name": "default", "template": "d"}], "d"),
        ([{"name": "tools", "template": "t"}], None),
        (None, None),
    ],
    ids=["text", "named", "no default", "none"],
)
def test_a_template_may_stand_in_the_configuration(tmp_path: Path, inside: object, expected: str | None):
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": inside}), "utf-8")
    assert chat_template_source(tmp_path) == expected


def test_a_model_that_was_not_taught_to_converse_is_refused(tmp_path: Path):
    with pytest.raises(ModelRefused, match="has no chat template"):
        open_template(tmp_path)
