"""The dense encoder: the library's vectors, faster; loaded late; refused early."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from retrieval.encoding import SentenceEncoder, open_encoder, open_token_counter
from retrieval.errors import EncoderFailed
from serving.registry.models import ModelFolder

TEXTS = [
    "short",
    "",
    "A sentence of middling length about kettles.",
    "naïve 🌱 日本語",
    *(f"{n} " + "words " * n for n in range(1, 90, 5)),
    "far too long " * 300,
]


def test_a_folder_without_a_model_is_refused_at_once(tmp_path: Path):
    with pytest.raises(EncoderFailed, match=r"no modules\.json"):
        open_encoder(tmp_path, "digest")


def test_a_model_that_cannot_be_loaded_is_refused_on_first_use(tmp_path: Path):
    (tmp_path / "modules.json").write_text("[]")
    (tmp_path / "config.json").write_text("no json")
    encoder = open_encoder(tmp_path, "digest")
    with pytest.raises(EncoderFailed, match="cannot be loaded"):
        _ = encoder.dimensions


@pytest.mark.parametrize(
    ("files", "longest"),
    [
        ({"sentence_bert_config": {"max_seq_length": 256}, "config": {"max_position_embeddings": 512}}, 256),
        ({"sentence_bert_config": {"max_seq_length": None}, "tokenizer_config": {"model_max_length": 384}}, 384),
        ({"tokenizer_config": {"model_max_length": 512}, "config": {"max_position_embeddings": 514}}, 512),
        ({"tokenizer_config": {"model_max_length": 1e30}, "config": {"max_position_embeddings": 8192}}, 8192),
        ({"tokenizer_config": {"model_max_length": 100}, "config": {"max_position_embeddings": -1}}, 100),
    ],
)
def test_the_longest_input_is_what_the_library_takes_from_the_folder(
    tmp_path: Path, files: dict[str, dict[str, float | None]], longest: int
):
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    assert SentenceEncoder(tmp_path, "digest", None).max_tokens == longest


def test_a_folder_that_names_no_longest_input_is_refused(tmp_path: Path):
    with pytest.raises(EncoderFailed, match="how long a text"):
        _ = SentenceEncoder(tmp_path, "digest", None).max_tokens


@pytest.fixture(scope="module")
def encoder(embedder_model: ModelFolder) -> SentenceEncoder:
    return open_encoder(embedder_model.path, "digest", threads=2)


@pytest.mark.models
def test_vectors_are_the_librarys_in_the_order_of_the_texts(encoder: SentenceEncoder, embedder_model: ModelFolder):
    from sentence_transformers import SentenceTransformer

    library = SentenceTransformer(str(embedder_model.path), device="cpu")
    expected = library.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    found = encoder.encode(TEXTS)
    assert found.dtype == np.float32
    assert found.shape == (len(TEXTS), encoder.dimensions) == (len(TEXTS), 384)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.models
def test_no_texts_are_no_vectors(encoder: SentenceEncoder):
    assert encoder.encode([]).shape == (0, encoder.dimensions)


@pytest.mark.models
def test_tokens_are_counted_as_the_model_reads_them_but_to_the_end(encoder: SentenceEncoder):
    tokenizer = encoder._model.tokenizer
    assert [encoder.count_tokens(text) for text in TEXTS[:-1]] == [len(tokenizer(t)["input_ids"]) for t in TEXTS[:-1]]
    assert encoder.count_tokens(TEXTS[-1]) > encoder.max_tokens == 256


@pytest.mark.models
def test_counting_and_opening_load_no_model(embedder_model: ModelFolder):
    encoder = open_encoder(embedder_model.path, "digest")
    assert encoder.count_tokens("two words") == open_token_counter(embedder_model.path)("two words") == 4
    assert "_model" not in vars(encoder)
