"""What is trained on is what serving shows, and every row that is not is left out with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from serving.interface import citation, query_rewrite, refusal
from serving.interface.context import ContextPassage
from serving.interface.errors import TemplateUnusable
from serving.interface.query_rewrite import QUERY_CHARACTERS
from serving.interface.refusal import LABELS, Answerability
from serving.interface.segments import Tokenizer
from serving.interface.template import ChatTemplate
from serving.interface.turns import QUESTION_TOKENS, Turn
from serving.registry.tokenizer import open_template, open_tokenizer
from tests.serving.assistant.tiny_model import write_tiny_tokenizer
from tuning.examples import Built, Row, build_examples
from tuning.rows import AnswerSentence, CitationRow, QueryRewriteRow, RefusalRow, RowCitation

PAUSE = ContextPassage(id="a", text="Press Pause. It rests.")
RESUME = ContextPassage(id="b", text="Press Resume. It goes on.")
LONG = ContextPassage(id="long", text="A word and another one. " * 100)
ASKED = (Turn(role="user", content="How do I pause it?"),)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("bytes")
    write_tiny_tokenizer(written)
    return written


@pytest.fixture(scope="module")
def template(folder: Path) -> ChatTemplate:
    return open_template(folder)


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    """One token a byte."""
    return open_tokenizer(folder)


def judged(*passages: ContextPassage, label: str = "answerable", answering: str | None = None) -> RefusalRow:
    return RefusalRow(question="How?", passages=passages, label=Answerability(label), answering=answering)


def answered(*passages: ContextPassage, cites: Sequence[tuple[str, int, int]], text: str = "Press it.") -> CitationRow:
    spans = tuple(RowCitation(passage_id=name, start=start, end=end) for name, start, end in cites)
    answer = (AnswerSentence(text=text, citations=spans),)
    return CitationRow(question="How?", passages=passages, answer=answer)


def written(built: Built, tokenizer: Tokenizer) -> list[str]:
    """The completions as text, without the token that ends them."""
    return [tokenizer.decode(example.completion[:-1]) for example in built.examples]


def left_out(row: Row, template: ChatTemplate, tokenizer: Tokenizer) -> dict[str, int]:
    built = build_examples([row], template, tokenizer)
    assert built.examples == ()
    return dict(built.left_out)


def test_each_passage_of_a_row_is_judged_alone_and_only_the_one_that_answers_does(
    template: ChatTemplate, tokenizer: Tokenizer
):
    built = build_examples([judged(PAUSE, RESUME, answering="b")], template, tokenizer)
    assert written(built, tokenizer) == [LABELS[Answerability.UNANSWERABLE], LABELS[Answerability.ANSWERABLE]]
    shown = [tokenizer.decode(example.prompt) for example in built.examples]
    assert ["Resume" in prompt for prompt in shown] == [False, True]


@pytest.mark.parametrize("label", Answerability)
def test_one_passage_has_the_label_of_its_row_and_only_the_labels_compete(
    label: Answerability, template: ChatTemplate, tokenizer: Tokenizer
):
    (example,) = build_examples([judged(PAUSE, label=label)], template, tokenizer).examples
    assert example.choices == tuple(tokenizer.encode_data(word)[0] for word in LABELS.values())
    assert example.completion[0] == tokenizer.encode_data(refusal.build_target(label))[0]


def test_several_passages_of_which_none_answers_are_each_labelled_so(template: ChatTemplate, tokenizer: Tokenizer):
    built = build_examples([judged(PAUSE, RESUME, label="underspecified")], template, tokenizer)
    assert written(built, tokenizer) == [LABELS[Answerability.UNDERSPECIFIED]] * 2


def test_a_rewrite_is_written_after_its_conversation(template: ChatTemplate, tokenizer: Tokenizer):
    row = QueryRewriteRow(history=ASKED, question="And resume?", rewrite=" How do I\nresume it? ")
    built = build_examples([row], template, tokenizer)
    assert written(built, tokenizer) == ["How do I resume it?"]
    assert "How do I pause it?" in tokenizer.decode(built.examples[0].prompt)
    assert built.examples[0].choices == ()


def test_an_answer_cites_the_numbers_that_its_evidence_has_in_the_prompt_each_once(
    template: ChatTemplate, tokenizer: Tokenizer
):
    row = answered(PAUSE, RESUME, cites=[("b", 0, 13), ("b", 3, 7), ("a", 0, 22)])
    built = build_examples([row], template, tokenizer)
    assert written(built, tokenizer) == ["Press it. [3][1][2]"]
    assert "[3] Press Resume." in tokenizer.decode(built.examples[0].prompt)


REASONS: dict[str, tuple[Row, str]] = {
    "a passage that is cut": (judged(LONG), "the passage is longer than serving shows"),
    "evidence past the cut": (
        answered(LONG, PAUSE, cites=[("a", 0, 12)]),
        "the evidence lies beyond what serving shows",
    ),
    "an answer that is cut": (
        answered(PAUSE, cites=[("a", 0, 12)], text="Press " * citation.OUTPUT_TOKENS),
        "the target is longer than serving lets a model write",
    ),
    "a rewrite that is cut": (
        QueryRewriteRow(history=ASKED, question="And?", rewrite="?" * (query_rewrite.OUTPUT_TOKENS + 1)),
        "the target is longer than serving lets a model write",
    ),
    "a rewrite past its grammar": (
        QueryRewriteRow(history=ASKED, question="And?", rewrite="?" * (QUERY_CHARACTERS + 1)),
        "the target does not fit the contract",
    ),
    "a question past its budget": (
        judged(PAUSE).model_copy(update={"question": "How " * QUESTION_TOKENS}),
        "the question is longer than serving takes",
    ),
}


@pytest.mark.parametrize(("row", "reason"), REASONS.values(), ids=REASONS)
def test_a_row_that_serving_could_not_show_is_left_out_with_its_reason(
    row: Row, reason: str, template: ChatTemplate, tokenizer: Tokenizer
):
    assert left_out(row, template, tokenizer) == {reason: 1}


def test_passages_of_which_nobody_says_which_answers_are_each_left_out(template: ChatTemplate, tokenizer: Tokenizer):
    found = left_out(judged(PAUSE, RESUME), template, tokenizer)
    assert found == {"the row does not say which of its passages answers": 2}


def test_a_row_that_is_left_out_takes_no_other_with_it(template: ChatTemplate, tokenizer: Tokenizer):
    built = build_examples([judged(LONG), judged(PAUSE), judged(LONG, PAUSE, answering="a")], template, tokenizer)
    assert len(built.examples) == 2
    assert built.left_out == {"the passage is longer than serving shows": 2}


def test_a_template_that_carries_no_row_is_an_error_and_not_a_row_less(tokenizer: Tokenizer):
    with pytest.raises(TemplateUnusable):
        build_examples([judged(PAUSE)], ChatTemplate("{{ messages[0]['content'] }}"), tokenizer)
