"""Answers: form, resolving citations, the right sentence, the right words; raw and as shown."""

from __future__ import annotations

import pytest

from serving.interface.citation import CitedSentence
from serving.interface.context import Context, ContextPassage, NumberedSentence, build_context
from tests.tuning.gateway_rows import answer_with, citation_row, context_of, count, gold_text
from tuning.errors import NotJudged
from tuning.metrics.citation import METRICS, evaluate_citation, judge_citation
from tuning.rows import AnswerSentence, CitationRow, RowCitation
from tuning.systems import WrittenAnswer

ROW = citation_row(3)
"""Three sentences are shown; the second is the gold one."""


def test_the_metrics_are_those_of_the_design():
    assert {metric.name for metric in METRICS} >= {
        "format_valid", "citations_resolve", "sentence_correct", "answer_f1", "citations",
    }  # fmt: skip


def test_the_gold_answer_earns_everything_raw_and_shown():
    judged = judge_citation(ROW, answer_with(ROW, gold_text(ROW)))
    assert set(judged.values.values()) == {1.0}
    assert judged.values.keys() == {metric.name for metric in METRICS}


def test_the_first_citation_must_be_right():
    text = ROW.answer[0].text
    first_wrong = judge_citation(ROW, answer_with(ROW, f"{text} [1][2]")).values
    first_right = judge_citation(ROW, answer_with(ROW, f"{text} [2][1]")).values
    assert (first_wrong["sentence_correct"], first_right["sentence_correct"]) == (0.0, 1.0)
    assert first_wrong["citations"] == 2.0
    assert first_wrong["answer_f1"] == 1.0


def test_what_was_corrected_is_judged_beside_what_was_written():
    context = context_of(ROW)
    written = WrittenAnswer("It is 9999. [1]", (CitedSentence(ROW.answer[0].text, (2,)),), context)
    values = judge_citation(ROW, written).values
    assert (values["raw_sentence_correct"], values["sentence_correct"]) == (0.0, 1.0)
    assert values["raw_answer_f1"] < values["answer_f1"] == 1.0


def test_form_is_judged_on_the_raw_text_although_a_correction_mended_it():
    context = context_of(ROW)
    written = WrittenAnswer("The port is 7003.", (CitedSentence(ROW.answer[0].text, (2,)),), context)
    judged = judge_citation(ROW, written)
    assert judged.values["format_valid"] == 0.0
    assert judged.values["citations_resolve"] == 1.0
    assert "raw_citations_resolve" not in judged.values  # nothing was cited that could resolve or not
    assert judged.values["raw_sentence_correct"] == 0.0
    assert judged.counts == ("malformed",)


def test_where_no_model_writes_there_is_no_form_to_judge():
    written = WrittenAnswer(None, (CitedSentence(ROW.answer[0].text, (2,)),), context_of(ROW))
    values = judge_citation(ROW, written).values
    assert not any(name.startswith("raw_") or name == "format_valid" for name in values)
    assert values["sentence_correct"] == 1.0


def test_a_refusal_is_wrong_and_has_no_citation_that_could_resolve():
    judged = judge_citation(ROW, WrittenAnswer(None, (), context_of(ROW)))
    assert judged.values == {"sentence_correct": 0.0, "answer_f1": 0.0, "citations": 0.0}
    assert judged.counts == ("refused",)


def test_a_number_that_was_not_shown_does_not_resolve():
    written = WrittenAnswer("It is so. [2] And so. [44]", (CitedSentence("It is so.", (44,)),), context_of(ROW))
    values = judge_citation(ROW, written).values
    assert (values["citations_resolve"], values["raw_citations_resolve"], values["format_valid"]) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("passage", "start", "end", "shown"),
    [
        ("p3", 0, 45, "Something else altogether."),
        ("p3", 0, 10_000, "This page"),
        ("p3", 9, 9, ""),
        ("gone", 0, 45, "This page is about the gateway number 3."),
    ],
    ids=["another text", "past the end", "nothing", "another passage"],
)
def test_a_number_whose_slice_is_not_what_was_shown_does_not_resolve(passage: str, start: int, end: int, shown: str):
    _, gold, last = context_of(ROW).sentences
    context = Context((NumberedSentence(1, passage, start, end, shown), gold, last), ())
    written = WrittenAnswer(None, (CitedSentence("So it is.", (1,)),), context)
    assert judge_citation(ROW, written).values["citations_resolve"] == 0.0


MARKED_UP = [
    'Set **`max_retries`** to [five](guide.md "Guide"); see :ref:`the limits <limits>`. Next comes more of it.',
    "Before the code:\n\n```python\nfor n in range(3):\n    print(n)\n```\n\nAfter it there are 3\u00a0words.",
    "| name | value |\n|------|-------|\n| port | 7000 |\n\nThe table stands above this sentence.",
    "Soft\u00adhyphens and zero\u200bwidth spaces are hidden. \U0001f600 counts as one.",
]


@pytest.mark.parametrize("text", MARKED_UP)
def test_every_shown_sentence_of_real_documentation_resolves(text: str):
    passage = ContextPassage(id="m", text=text)
    context = build_context([passage], count)
    answer = AnswerSentence(text="x", citations=(RowCitation(passage_id="m", start=0, end=len(text)),))
    row = CitationRow(question="q", passages=(passage,), answer=(answer,))
    assert len(context.sentences) >= 2
    cited = tuple(CitedSentence(s.shown, (s.number,)) for s in context.sentences)
    assert judge_citation(row, WrittenAnswer(None, cited, context)).values["citations_resolve"] == 1.0


def test_a_gold_sentence_that_was_not_shown_cannot_be_judged():
    context = build_context(ROW.passages, count, limit=16)
    assert 0 < len(context.sentences) < 2
    with pytest.raises(NotJudged, match="fits"):
        judge_citation(ROW, WrittenAnswer("It is so. [1]", (), context))


def test_an_evaluation_is_of_both_the_raw_and_the_shown():
    rows = [citation_row(n) for n in range(5)]
    found = evaluate_citation(rows, lambda row: answer_with(row, gold_text(row)), seed=0, adapter="gold")
    assert found.metrics.keys() == {metric.name for metric in METRICS}
    assert found.metrics["citations_resolve"].low == 1.0
