"""The project's own rows are what their README says, and fit the contract uncut."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import BaseModel

from serving.interface import citation, query_rewrite, refusal, rerank
from serving.interface.behaviours import Behaviour
from serving.interface.citation import CitedSentence
from serving.interface.context import ContextPassage, build_context, passage_segments
from serving.interface.plain import plain
from serving.interface.refusal import Answerability
from serving.interface.segments import normalise
from serving.interface.sentences import split_sentences
from serving.interface.standalone import standalone
from serving.interface.turns import fit_turns
from serving.registry.models import ModelFolder
from serving.registry.tokenizer import open_tokenizer
from tuning.rows import ROWS, AssistantRow, CitationRow, QueryRewriteRow, RefusalRow, RerankRow, dump_row, read_rows
from tuning.swapped_rows import foreign_passages, swap_citation, swap_query_rewrite, swap_refusal, swap_rerank

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
REFUSAL = read_rows(HERE / "refusal.jsonl", RefusalRow)
CITATION = read_rows(HERE / "citation.jsonl", CitationRow)
REWRITE = read_rows(HERE / "query_rewrite.jsonl", QueryRewriteRow)
RERANK = read_rows(HERE / "rerank.jsonl", RerankRow)
ASSISTANT = read_rows(HERE / "assistant.jsonl", AssistantRow)
LEAST = {"refusal": 120, "citation": 80, "query_rewrite": 80, "rerank": 40, "assistant": 30}
ALL: dict[str, Sequence[BaseModel]] = {
    "refusal": REFUSAL,
    "citation": CITATION,
    "query_rewrite": REWRITE,
    "rerank": RERANK,
    "assistant": ASSISTANT,
}


def count(text: str) -> int:
    """More tokens than a model's tokenizer makes of English: two bytes each."""
    return len(text.encode()) // 2 + 1


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower()))


def test_there_is_a_file_for_each_behaviour_and_one_for_the_whole_assistant():
    assert {path.stem for path in HERE.glob("*.jsonl")} == {*map(str, ROWS), "assistant"} == LEAST.keys()
    assert set(ROWS) == set(Behaviour)


@pytest.mark.parametrize("name", ALL)
def test_a_file_has_enough_rows_none_twice_and_each_as_it_is_written(name: str):
    lines = (HERE / f"{name}.jsonl").read_text("utf-8").splitlines()
    assert len(lines) >= LEAST[name]
    assert len(set(lines)) == len(lines)
    assert [dump_row(row) for row in ALL[name]] == lines


def test_a_row_says_what_it_is_about_and_that_we_wrote_it():
    for row in [*REFUSAL, *CITATION, *REWRITE, *RERANK]:
        assert row.origin.source == "groundskeeper"
        assert row.origin.licence == "Apache-2.0"
        assert row.origin.document
        assert row.origin.slice


def test_only_labels_that_a_script_made_are_synthetic():
    for row in REFUSAL:
        paired = row.origin.slice == "follow_up" and row.label is Answerability.UNANSWERABLE
        assert paired or not row.origin.synthetic
    assert 0 < sum(row.origin.synthetic for row in REFUSAL) < 0.2 * len(REFUSAL)
    assert not any(row.origin.synthetic for row in [*CITATION, *REWRITE, *RERANK])


def test_about_half_of_the_refusal_rows_are_answerable_and_every_kind_is_there():
    labels = Counter(row.label for row in REFUSAL)
    assert 0.4 < labels[Answerability.ANSWERABLE] / len(REFUSAL) < 0.6
    assert labels[Answerability.UNDERSPECIFIED] >= 15
    slices = Counter(row.origin.slice for row in REFUSAL)
    kinds = {"answerable", "near_miss", "foreign", "follow_up", "underspecified", "several_passages"}
    assert slices.keys() == kinds
    assert min(slices.values()) >= 15


@pytest.mark.parametrize("kind", ["follow_up", "several_passages"])
def test_neither_a_conversation_nor_several_passages_give_the_label_away(kind: str):
    labels = Counter(row.label for row in REFUSAL if row.origin.slice == kind)
    assert min(labels[Answerability.ANSWERABLE], labels[Answerability.UNANSWERABLE]) >= 10


def test_no_question_about_the_same_passages_has_two_labels():
    labels: dict[str, set[Answerability]] = {}
    for row in REFUSAL:
        asked = row.model_copy(update={"label": None, "answering": None, "origin": None})
        labels.setdefault(repr(asked), set()).add(row.label)
    assert all(len(given) == 1 for given in labels.values())


def test_an_answerable_row_names_the_passage_that_answers():
    assert all((row.answering is not None) == (row.label is Answerability.ANSWERABLE) for row in REFUSAL)


def test_a_refusal_row_fits_its_prompt_uncut():
    for row in REFUSAL:
        assert len(fit_turns(row.history, count)) == len(row.history)
        for passage in row.passages:
            shown = "".join(segment.text for segment in passage_segments(passage, count))
            assert all(normalise(plain(sentence.text)) in shown for sentence in split_sentences(passage.text))
            refusal.build_messages(standalone(row.question, row.history, count), passage, count=count)
        assert refusal.parse(refusal.build_target(row.label)) is row.label


def test_a_citation_row_cites_whole_sentences_and_is_read_back_as_it_was_written():
    for row in CITATION:
        context = build_context(row.passages, count)
        places = {(s.passage_id, s.start, s.end) for s in context.sentences}
        assert len(places) == sum(len(split_sentences(passage.text)) for passage in row.passages)
        cited = [
            CitedSentence(
                sentence.text,
                tuple(n for c in sentence.citations for n in context.numbers(c.passage_id, c.start, c.end)),
            )
            for sentence in row.answer
        ]
        assert all((c.passage_id, c.start, c.end) in places for sentence in row.answer for c in sentence.citations)
        target = citation.build_target(cited)
        assert citation.parse(target, context) == tuple(cited)
        assert count(target) <= citation.OUTPUT_TOKENS
        assert len(fit_turns(row.history, count)) == len(row.history)


def test_an_answer_says_what_its_evidence_says_unless_pages_disagree():
    for row in CITATION:
        texts = {passage.id: passage.text for passage in row.passages}
        for sentence in row.answer:
            evidence = [texts[c.passage_id][c.start : c.end] for c in sentence.citations]
            numbers = set(re.findall(r"\d+", sentence.text))
            assert numbers <= set(re.findall(r"\d+", " ".join(evidence)))
            if row.origin.slice != "disagree":
                assert [normalise(plain(text)) for text in evidence] == [sentence.text]


def test_citation_rows_cite_one_sentence_two_sentences_two_pages_and_a_contradiction():
    slices = Counter(row.origin.slice for row in CITATION)
    assert slices.keys() == {"one_passage", "follow_up", "several_passages", "disagree"}
    assert min(slices.values()) >= 5
    assert sum(len({c.passage_id for s in row.answer for c in s.citations}) > 1 for row in CITATION) >= 10
    assert sum(len(row.answer) > 1 for row in CITATION) >= 10
    assert all(row.passages[1].trust == "community" for row in CITATION if row.origin.slice == "disagree")


def test_a_rewrite_is_made_of_the_conversation_and_stands_alone():
    for row in REWRITE:
        said = words(" ".join([row.question, *(turn.content for turn in row.history)]))
        assert len(words(row.rewrite) - said) <= 0.5 * len(words(row.rewrite))
        stays = row.origin.slice in {"standalone", "topic_switch"}
        assert (row.rewrite == row.question) == stays
        assert stays or not re.search(r"\b(it|its|them|they|that one|this|those)\b", row.rewrite, re.IGNORECASE)
        assert row.history[-1].role == "assistant"
        assert query_rewrite.parse(query_rewrite.build_target(row.rewrite)) == row.rewrite
        query_rewrite.build_messages(row.question, row.history, count=count)


def test_rewrites_are_of_every_kind_and_each_conversation_is_its_own():
    slices = Counter(row.origin.slice for row in REWRITE)
    assert slices.keys() == {"pronoun", "ellipsis", "topic_switch", "standalone", "long"}
    assert min(slices.values()) >= 8
    assert len({row.origin.conversation for row in REWRITE}) == len(REWRITE)


def test_a_rerank_row_has_one_relevant_passage_among_four_to_eight():
    for row in RERANK:
        assert 4 <= len(row.passages) <= 8
        assert sorted(passage.relevance for passage in row.passages)[-2:] == [0, 1]
        pairs = [rerank.build_pair(row.question, passage) for passage in row.passages]
        assert len(set(pairs)) == len(pairs)


def test_the_place_of_the_relevant_passage_is_no_hint():
    places = Counter(next(n for n, p in enumerate(row.passages) if p.relevance) for row in RERANK)
    assert max(places.values()) < len(RERANK) / 2


def test_the_assistant_is_asked_about_pages_that_exist_and_about_foreign_things():
    uris = [row.uri for row in ASSISTANT if row.answerable]
    assert all(uri is not None and (DOCS / uri.removeprefix("docs/")).is_file() for uri in uris)
    assert len(set(uris)) >= 10
    foreign = [row for row in ASSISTANT if not row.answerable]
    assert len(foreign) >= 20
    assert all(row.uri is None and not row.history for row in foreign)
    assert sum(bool(row.history) for row in ASSISTANT) >= 3


def test_enough_rows_hold_facts_that_can_be_exchanged():
    """Else the gate could not tell an adapter that reads from one that remembers."""
    foreign = foreign_passages(REFUSAL)
    exchanged = {
        "citation": [swap_citation(row, seed=0) for row in CITATION],
        "query_rewrite": [swap_query_rewrite(row, seed=0) for row in REWRITE],
        "refusal": [swap_refusal(row, foreign, seed=0) for row in REFUSAL],
        "rerank": [swap_rerank(row, seed=0) for row in RERANK],
    }
    able = {name: sum(row is not None for row in rows) for name, rows in exchanged.items()}
    assert min(able.values()) >= 40, able


@pytest.mark.models
def test_no_passage_is_longer_than_90_tokens(base_model: ModelFolder):
    tokenizer = open_tokenizer(base_model.path)
    passages: set[ContextPassage] = {p for row in (*REFUSAL, *CITATION) for p in row.passages}
    assert len(passages) > 40
    assert [p.id for p in passages if len(tokenizer.encode_data(p.text)) > 90] == []
