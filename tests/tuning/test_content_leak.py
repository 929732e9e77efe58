"""Systems that read follow the swapped facts; systems that remember do not."""

from __future__ import annotations

from serving.interface.context import ContextPassage
from serving.interface.refusal import Judgement
from tests.tuning.gateway_rows import (
    answer_with,
    citation_row,
    context_of,
    gold_text,
    refusal_row,
    rerank_row,
    rewrite_row,
)
from tuning.content_leak import (
    FOLLOWS_CONTEXT,
    failures,
    leak_citation,
    leak_query_rewrite,
    leak_refusal,
    leak_rerank,
)
from tuning.rows import AnswerSentence, CitationRow, QueryRewriteRow, RefusalRow, RerankRow, RowCitation
from tuning.systems import WrittenAnswer

CITATIONS = [citation_row(n) for n in range(20)]
REWRITES = [rewrite_row(n) for n in range(20)]
REFUSALS = [refusal_row(n, answerable=n % 2 == 0) for n in range(20)]
RANKINGS = [rerank_row(n) for n in range(20)]
ANSWERS = {row.question: gold_text(row) for row in CITATIONS}
WRITTEN = {row.question: row.rewrite for row in REWRITES}
NAMES = {word for row in RANKINGS for word in row.question.split()}


def reads(row: CitationRow) -> WrittenAnswer:
    return answer_with(row, gold_text(row))


def remembers(row: CitationRow) -> WrittenAnswer:
    return answer_with(row, ANSWERS[row.question])


def test_an_answer_that_quotes_the_passage_follows():
    found = leak_citation(CITATIONS, reads, seed=0)
    assert (found.judged, found.metrics[FOLLOWS_CONTEXT].value) == (20, 1.0)
    assert failures(found) == ()


def test_an_answer_by_heart_does_not_follow_and_is_shown():
    found = leak_citation(CITATIONS, remembers, seed=0, adapter="parrot")
    assert found.metrics[FOLLOWS_CONTEXT].high == 0.0
    assert found.subject.adapter == "parrot"
    (first,) = failures(found, most=1)
    assert "7000" in first
    assert "Which port does gateway 0 use?" in first


def test_what_the_model_wrote_is_looked_at_although_a_correction_mended_it():
    def mended(row: CitationRow) -> WrittenAnswer:
        return WrittenAnswer(ANSWERS[row.question], reads(row).sentences, context_of(row))

    assert leak_citation(CITATIONS, mended, seed=0).metrics[FOLLOWS_CONTEXT].value == 0.0


def test_where_no_model_writes_what_is_shown_is_looked_at():
    def quotes(row: CitationRow) -> WrittenAnswer:
        return WrittenAnswer(None, reads(row).sentences, context_of(row))

    assert leak_citation(CITATIONS, quotes, seed=0).metrics[FOLLOWS_CONTEXT].value == 1.0


def test_the_number_of_a_citation_is_no_fact():
    row = citation_row(3)
    text = f"{row.passages[0].text.removesuffix('.')} and 2 more."
    cited = RowCitation(passage_id="p", start=0, end=len(text))
    numbered = CitationRow(
        question="How many more?",
        passages=(ContextPassage(id="p", text=text),),
        answer=(AnswerSentence(text=text, citations=(cited,)),),
    )
    found = leak_citation([numbered], lambda row: WrittenAnswer("Some. [2]", (), context_of(row)), seed=0)
    assert found.reasons() == {"the text shows neither the old facts nor the new": 1}


def test_an_answer_that_shows_no_fact_cannot_be_judged():
    found = leak_citation(CITATIONS, lambda row: answer_with(row, "Restart it after a change. [3]"), seed=0)
    assert (found.judged, found.metrics) == (0, {})


def test_a_row_in_which_nothing_can_be_swapped_is_counted_and_not_asked():
    def never(row: CitationRow) -> WrittenAnswer:
        raise AssertionError(row.question)

    row = CITATIONS[3].model_copy(update={"question": "Is it 7003 in Dunmore?"})
    assert leak_citation([row], never, seed=0).reasons() == {"nothing in the row could be swapped": 1}


def test_a_rewriter_follows_the_conversation_or_its_memory():
    def reads_it(row: QueryRewriteRow) -> str:
        return row.rewrite

    def remembers_it(row: QueryRewriteRow) -> str:
        return WRITTEN[row.question]

    assert leak_query_rewrite(REWRITES, reads_it, seed=0).metrics[FOLLOWS_CONTEXT].value == 1.0
    assert leak_query_rewrite(REWRITES, remembers_it, seed=0).metrics[FOLLOWS_CONTEXT].value == 0.0
    copied = leak_query_rewrite(REWRITES, lambda row: row.question, seed=0)
    assert copied.metrics == {}  # a copy shows neither; that it lacks the name is another metric's affair


def test_a_judge_follows_the_passage_or_the_question():
    def reads_it(row: RefusalRow) -> Judgement:
        yes = any(f"gateway number {row.question.split()[-2]}." in p.text for p in row.passages)
        return Judgement(0.9, 0.1, 0.0) if yes and "port" in row.question else Judgement(0.1, 0.9, 0.0)

    def remembers_it(row: RefusalRow) -> Judgement:
        return Judgement(0.9, 0.1, 0.0) if "port" in row.question else Judgement(0.1, 0.9, 0.0)

    found = leak_refusal(REFUSALS, reads_it, threshold=0.5, seed=0)
    assert (found.judged, found.metrics[FOLLOWS_CONTEXT].value) == (10, 1.0)
    assert leak_refusal(REFUSALS, remembers_it, threshold=0.5, seed=0).metrics[FOLLOWS_CONTEXT].value == 0.0


def test_rows_about_one_document_are_asked_on_passages_of_others_beside_them():
    one = [REFUSALS[0]]

    def reads_it(row: RefusalRow) -> Judgement:
        return Judgement(1.0, 0.0, 0.0) if row.passages == one[0].passages else Judgement(0.0, 1.0, 0.0)

    assert leak_refusal(one, reads_it, threshold=0.5, seed=0).judged == 0
    assert leak_refusal(one, reads_it, threshold=0.5, beside=REFUSALS[1:], seed=0).judged == 1


def test_what_was_refused_before_the_swap_shows_nothing():
    found = leak_refusal(REFUSALS, lambda row: Judgement(0.0, 1.0, 0.0), threshold=0.5, seed=0)
    assert found.metrics == {}
    assert found.reasons()["refused before the swap"] == 10


def test_a_reranker_follows_the_words_or_the_names_it_knows():
    def reads_it(row: RerankRow) -> list[float]:
        words = set(row.question.strip("?").split())
        return [len(words & set(p.text.split())) for p in row.passages]

    def remembers_it(row: RerankRow) -> list[float]:
        known = {word.strip("?") for word in row.question.split()} & {name.strip("?") for name in NAMES}
        return [float(bool(known & set(p.text.split()) - {"is", "the", "port", "in"})) for p in row.passages]

    assert leak_rerank(RANKINGS, reads_it, seed=0).metrics[FOLLOWS_CONTEXT].value == 1.0
    by_heart = leak_rerank(RANKINGS, remembers_it, seed=0)
    assert by_heart.judged > 10
    assert by_heart.metrics[FOLLOWS_CONTEXT].high == 0.0


def test_only_so_many_swapped_rows_are_asked_whatever_the_order():
    asked: list[str] = []

    def notes(row: CitationRow) -> WrittenAnswer:
        asked.append(row.question)
        return reads(row)

    first = leak_citation(CITATIONS, notes, seed=0, most=5)
    again = leak_citation(CITATIONS[::-1], notes, seed=0, most=5)
    assert (first.judged, len(asked)) == (5, 10)
    assert sorted(asked[:5]) == sorted(asked[5:])
    assert again.metrics == first.metrics
