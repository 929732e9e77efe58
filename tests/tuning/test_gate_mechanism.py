"""The packaged gate and written systems: what reads passes; what copies, refuses or remembers is stopped, and by what.

The same is shown with trained adapters of the real base model in tests/end_to_end.
"""

from __future__ import annotations

from serving.interface.behaviours import Behaviour
from serving.interface.citation import CitedSentence
from serving.interface.refusal import Judgement
from tests.tuning.gateway_rows import answer_with, citation_row, context_of, gold_text, refusal_row, rewrite_row
from tuning.content_leak import leak_citation, leak_query_rewrite, leak_refusal
from tuning.gate import Verdict, decide
from tuning.metrics.citation import evaluate_citation
from tuning.metrics.query_rewrite import evaluate_query_rewrite
from tuning.metrics.refusal import choose_threshold, evaluate_refusal
from tuning.rows import CitationRow, QueryRewriteRow, RefusalRow
from tuning.systems import CitationSystem, RefusalSystem, RewriteSystem, WrittenAnswer, copy_question
from tuning.thresholds import packaged_thresholds, read_thresholds

REFUSALS = [refusal_row(n, answerable=n % 2 == 0) for n in range(80)]
CALIBRATION = [refusal_row(n, answerable=n % 2 == 0) for n in range(100, 140)]
CITATIONS = [citation_row(n) for n in range(60)]
REWRITES = [rewrite_row(n) for n in range(60)]


def gate_refusal(system: RefusalSystem, threshold: float) -> Verdict:
    thresholds = read_thresholds(packaged_thresholds(Behaviour.REFUSAL))
    untuned = evaluate_refusal(REFUSALS, coin, threshold=0.5, seed=0)
    candidate = evaluate_refusal(REFUSALS, system, threshold=threshold, seed=0)
    leak = leak_refusal(REFUSALS, system, threshold=threshold, seed=0)
    return decide(candidate, {"prompt": untuned, "few_shot": untuned}, thresholds, content_leak=leak, seed=0)


def coin(row: RefusalRow) -> Judgement:
    """An un-tuned base: it hardly tells."""
    odds = (len(row.question) * 7 + sum(map(ord, row.passages[0].text))) % 10 / 10
    return Judgement(odds, 1 - odds, 0.0)


def reads(row: RefusalRow) -> Judgement:
    number = next(word for word in row.question.strip("?").split() if word.isdigit())
    yes = "port" in row.question and any(f"gateway number {number}." in p.text for p in row.passages)
    return Judgement(0.9, 0.1, 0.0) if yes else Judgement(0.2, 0.8, 0.0)


def remembers(row: RefusalRow) -> Judgement:
    return Judgement(0.9, 0.1, 0.0) if "port" in row.question else Judgement(0.1, 0.9, 0.0)


def refuses(row: RefusalRow) -> Judgement:
    return Judgement(0.01, 0.99, 0.0)


def test_a_judge_that_reads_passes():
    choice = choose_threshold(CALIBRATION, reads, over_refusal_budget=0.33)
    found = gate_refusal(reads, choice.threshold)
    assert found.passed, found.reasons


def test_a_judge_that_changes_nothing_gains_nothing():
    found = gate_refusal(coin, 0.5)
    gains = [reason for reason in found.reasons if "balanced_accuracy against" in reason]
    assert len(gains) == 2
    assert all("+0.000 [+0.000, +0.000]" in reason for reason in gains)


def test_a_judge_that_always_refuses_is_over_its_budget_and_no_better():
    found = gate_refusal(refuses, 0.5)
    assert [reason for reason in found.reasons if "false_refusal_rate is 1.000" in reason]
    assert [reason for reason in found.reasons if "balanced_accuracy is 0.500" in reason]
    assert [reason for reason in found.reasons if "0 rows with swapped facts" in reason]


def test_no_threshold_makes_a_judge_that_always_refuses_pass():
    choice = choose_threshold(CALIBRATION, refuses, over_refusal_budget=0.33)
    assert choice.false_refusal_rate == 0.0  # it answers everything
    assert not gate_refusal(refuses, choice.threshold).passed


def test_a_judge_that_knows_the_questions_by_heart_is_caught_by_foreign_passages_alone():
    (reason,) = gate_refusal(remembers, 0.5).reasons
    assert reason.startswith("follows_context is 0.000")


def gate_citation(system: CitationSystem) -> Verdict:
    thresholds = read_thresholds(packaged_thresholds(Behaviour.CITATION))
    untuned = evaluate_citation(CITATIONS, quotes_too_much, seed=0)
    candidate = evaluate_citation(CITATIONS, system, seed=0)
    leak = leak_citation(CITATIONS, system, seed=0)
    return decide(candidate, {"few_shot": untuned}, thresholds, content_leak=leak, seed=0)


def quotes_too_much(row: CitationRow) -> WrittenAnswer:
    """Un-tuned: the right sentence, and more than was asked for."""
    context = context_of(row)
    shown = tuple(CitedSentence(context.sentence(n).shown, (n,)) for n in (2, 3))
    return WrittenAnswer(None, shown, context)


def writes(row: CitationRow) -> WrittenAnswer:
    return answer_with(row, gold_text(row))


BY_HEART = {row.question: gold_text(row) for row in CITATIONS}


def recites(row: CitationRow) -> WrittenAnswer:
    return answer_with(row, BY_HEART[row.question])


def breaks_its_form(row: CitationRow) -> WrittenAnswer:
    return WrittenAnswer(row.answer[0].text, writes(row).sentences, context_of(row))


def test_a_writer_that_reads_passes():
    found = gate_citation(writes)
    assert found.passed, found.reasons


def test_a_writer_that_changes_nothing_gains_nothing():
    reasons = gate_citation(quotes_too_much).reasons
    assert [reason for reason in reasons if "answer_f1 against few_shot: +0.000" in reason]


def test_a_writer_that_knows_the_answers_by_heart_is_caught_by_the_swapped_facts_alone():
    (reason,) = gate_citation(recites).reasons
    assert reason.startswith("follows_context is 0.000")


def test_a_writer_whose_form_had_to_be_mended_is_refused_for_its_form():
    (reason,) = gate_citation(breaks_its_form).reasons
    assert reason.startswith("format_valid is 0.000")


def gate_rewrite(system: RewriteSystem) -> Verdict:
    thresholds = read_thresholds(packaged_thresholds(Behaviour.QUERY_REWRITE))
    baselines = {
        "copy": evaluate_query_rewrite(REWRITES, copy_question, seed=0),
        "prompt": evaluate_query_rewrite(REWRITES, answers_instead, seed=0),
        "few_shot": evaluate_query_rewrite(REWRITES, answers_instead, seed=0),
    }
    candidate = evaluate_query_rewrite(REWRITES, system, seed=0)
    leak = leak_query_rewrite(REWRITES, system, seed=0)
    return decide(candidate, baselines, thresholds, content_leak=leak, seed=0)


def answers_instead(row: QueryRewriteRow) -> str:
    return "The gateway has a port.\nIt was chosen with care."


KNOWN = {row.question: row.rewrite for row in REWRITES}


def test_a_rewriter_that_reads_passes():
    found = gate_rewrite(lambda row: row.rewrite)
    assert found.passed, found.reasons


def test_a_rewriter_that_copies_is_refused_for_what_it_leaves_out():
    reasons = gate_rewrite(copy_question).reasons
    assert [reason for reason in reasons if "rouge1_f1 against copy: +0.000" in reason]
    assert [reason for reason in reasons if "unchanged is 1.000" in reason]
    assert [reason for reason in reasons if "missing_words_recall is 0.000" in reason]


def test_a_rewriter_that_knows_the_conversations_by_heart_is_caught_by_the_swapped_names_alone():
    (reason,) = gate_rewrite(lambda row: KNOWN[row.question]).reasons
    assert reason.startswith("follows_context is 0.000")


def test_a_class_of_a_few_rows_proves_nothing_about_it():
    """Five answerable rows, all answered: no false refusal was seen, and none of 5 is not few of many."""
    rows = [refusal_row(n, answerable=n < 5) for n in range(80)]
    thresholds = read_thresholds(packaged_thresholds(Behaviour.REFUSAL))
    untuned = evaluate_refusal(rows, coin, threshold=0.5, seed=0)
    candidate = evaluate_refusal(rows, reads, threshold=0.5, seed=0)
    leak = leak_refusal(REFUSALS, reads, threshold=0.5, seed=0)
    found = decide(candidate, {"prompt": untuned, "few_shot": untuned}, thresholds, content_leak=leak, seed=0)
    assert "False refusals were judged on 5 rows; half of 50 are needed." in found.reasons
    few = [reason for reason in found.reasons if "on 80 rows, 5 of the rarer class; 50 are needed, half" in reason]
    assert [reason.split(" was ")[0] for reason in few] == ["balanced_accuracy", "balanced_accuracy", "auc", "auc"]
    assert len(found.reasons) == 5
