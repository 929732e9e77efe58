"""Systems: what is measured on a row is what a user would get who is shown the row's passages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from flows.rerankers import Rerankers
from flows.systems import (
    SERVED_THRESHOLD,
    Bench,
    assistant_system,
    citation_system,
    make_bench,
    odds_system,
    refusal_system,
    rerank_system,
    rewrite_system,
    signals_of,
)
from serving.assistant.errors import CalibrationMissing
from serving.assistant.pipeline import Assistant
from serving.assistant.running import Running
from serving.interface.behaviours import Behaviour
from serving.interface.context import ContextPassage
from serving.interface.refusal import Answerability
from serving.interface.turns import Turn
from tests.fakes import ListLibrary, QueueEngine
from tests.retrieval.readable import ReadableEncoder
from tuning.errors import NotJudged
from tuning.metrics.citation import evaluate_citation
from tuning.rows import (
    AnswerSentence,
    AssistantRow,
    CitationRow,
    QueryRewriteRow,
    RankedPassage,
    RefusalRow,
    RerankRow,
    RowCitation,
)

YES, NO = (0.0, -9.0, -9.0), (-9.0, 0.0, -9.0)
PORT = ContextPassage(id="port", text="The gateway listens on port 7001. Restart it after a change.", title="Ports")
BACKUP = ContextPassage(id="backup", text="Full backups run every Sunday.", title="Backups")
FEW_SHOT, TUNED = Running("few_shot"), Running("v1")


def bench(engine: QueueEngine) -> Bench:
    return make_bench(engine, ReadableEncoder(), Rerankers(None, None))


def test_a_rewrite_is_measured_as_it_was_written_rambling_and_all():
    row = QueryRewriteRow(
        history=(Turn(role="user", content="Where is the gateway?"),), question="And its port?", rewrite="Which port?"
    )
    engine = QueueEngine(["It is\n7001. ", "Which port has it?"])
    assert rewrite_system(bench(engine), FEW_SHOT)(row) == "It is\n7001. "
    assert rewrite_system(bench(engine), TUNED)(row) == "Which port has it?"
    assert [request.adapter for request in engine.generated] == [None, "query_rewrite@v1"]
    few, bare = (engine.prompt(request) for request in engine.generated)
    assert len(few) > len(bare)
    assert "And its port?" in bare


def test_a_judgement_is_pooled_over_passages_and_carries_the_threshold_of_its_adapter():
    row = RefusalRow(question="Which port?", passages=(BACKUP, PORT), label=Answerability.ANSWERABLE, answering="port")
    odds = odds_system(bench(QueueEngine(scores=[NO, YES])), TUNED)(row)
    assert odds.answerable > 0.99
    for threshold, answered in ((0.5, True), (0.99999, False)):
        system = refusal_system(bench(QueueEngine(scores=[NO, YES])), Running("v1", {"threshold": threshold}))
        assert (system(row).answerable >= SERVED_THRESHOLD) is answered


def test_the_signals_of_retrieval_count_in_a_row_as_they_do_in_serving():
    weights = {"threshold": 0.5, "bias": -2.0, "odds": 0.0, "coverage": 4.0, "similarity": 0.0}
    row = RefusalRow(question="gateway port?", passages=(PORT,), label=Answerability.ANSWERABLE)
    foreign = row.model_copy(update={"question": "Who painted ceilings?"})
    judge = refusal_system(bench(QueueEngine(scores=[YES, YES])), Running("v1", weights))
    assert judge(row).answerable > SERVED_THRESHOLD > judge(foreign).answerable


def test_a_follow_up_is_judged_and_its_signals_taken_with_the_question_before_it():
    row = RefusalRow(
        history=(Turn(role="user", content="Do full backups run?"),),
        question="And when?",
        passages=(BACKUP,),
        label=Answerability.ANSWERABLE,
    )
    engine = QueueEngine(scores=[NO, YES])
    assert odds_system(bench(engine), TUNED)(row).label(SERVED_THRESHOLD) is Answerability.ANSWERABLE
    assert ["Do full backups run? And when?" in engine.prompt(request) for request in engine.scored] == [False, True]
    first = row.model_copy(update={"history": ()})
    assert signals_of(bench(QueueEngine()), row).coverage > signals_of(bench(QueueEngine()), first).coverage


def test_an_adapter_without_its_threshold_is_not_measured_at_a_guess():
    with pytest.raises(CalibrationMissing):
        refusal_system(bench(QueueEngine()), TUNED)


def citing(start: int, end: int) -> CitationRow:
    answer = AnswerSentence(
        text=PORT.text[start:end], citations=(RowCitation(passage_id="port", start=start, end=end),)
    )
    return CitationRow(question="On which port does the gateway listen?", passages=(PORT, BACKUP), answer=(answer,))


def test_un_tuned_the_answer_is_the_evidence_and_no_model_writes():
    written = citation_system(bench(QueueEngine()), FEW_SHOT)(citing(0, 33))
    assert written.raw is None
    assert [sentence.text for sentence in written.sentences] == ["The gateway listens on port 7001."]


def test_a_tuned_answer_is_kept_as_it_was_written_beside_what_would_be_shown():
    raw = "The gateway listens on port 7001. [1] Elephants paint ceilings. [3]"
    row = citing(0, 33)
    written = citation_system(bench(QueueEngine([raw])), TUNED)(row)
    assert written.raw == raw
    assert [(sentence.text, sentence.numbers) for sentence in written.sentences] == [
        ("The gateway listens on port 7001.", (1,))
    ]
    measured = evaluate_citation([row], lambda _: written, seed=0, resamples=20).metrics
    assert (measured["sentence_correct"].value, measured["format_valid"].value) == (1.0, 1.0)


def test_a_prompt_that_the_base_cannot_hold_makes_a_row_that_is_not_judged():
    class Narrow(QueueEngine):
        def score(self, requests: Sequence[object]) -> list[tuple[float, ...]]:
            from serving.assistant.errors import PromptTooLong

            raise PromptTooLong("5000 tokens", remedy="none")

    row = RefusalRow(question="Which port?", passages=(PORT,), label=Answerability.ANSWERABLE)
    with pytest.raises(NotJudged, match="5000 tokens"):
        odds_system(bench(Narrow()), FEW_SHOT)(row)


def ranked(*passages: tuple[str, str, float]) -> RerankRow:
    shown = [RankedPassage(id=name, text=text, relevance=relevance) for name, text, relevance in passages]
    return RerankRow(question="which port does the gateway use", passages=tuple(shown))


ROW = ranked(("a", "backups run", 0.0), ("b", "the gateway uses a port", 1.0), ("c", "gateway", 0.0))


def test_without_a_reranker_passages_stand_as_hybrid_search_puts_them():
    scores = rerank_system(bench(QueueEngine()), Running("hybrid_order"))(ROW)
    assert max(range(3), key=lambda place: scores[place]) == 1
    assert len(scores) == 3


class NamesFirst:
    """Holds a passage for the more relevant the earlier its id stands in the alphabet."""

    def score(self, question: str, passages: Sequence[ContextPassage]) -> list[float]:
        return [1 / (1 + ord(passage.id) - ord("a")) for passage in passages]


@pytest.mark.parametrize(("weight", "first"), [(0.0, "b"), (1.0, "a")])
def test_a_reranker_changes_the_order_by_its_weight(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, weight: float, first: str
):
    opened: list[tuple[Path, Path, int]] = []

    def open_one(base: Path, adapter: Path, *, passage_tokens: int, threads: int | None) -> NamesFirst:
        opened.append((base, adapter, passage_tokens))
        return NamesFirst()

    monkeypatch.setattr("serving.assistant.reranker.open_reranker", open_one)
    rerankers, running = Rerankers(tmp_path, None), Running("v1", {"weight": weight, "passage_tokens": 144.0})
    for _ in range(2):
        rerankers.load(running, tmp_path / "v1")
    assert opened == [(tmp_path, tmp_path / "v1", 144)]
    scores = rerank_system(make_bench(QueueEngine(), ReadableEncoder(), rerankers), running)(ROW)
    assert ROW.passages[max(range(3), key=lambda place: scores[place])].id == first


def test_a_reranker_that_does_not_say_what_it_reads_is_not_opened(tmp_path: Path):
    with pytest.raises(CalibrationMissing, match="passage_tokens"):
        Rerankers(tmp_path, None).load(Running("v1", {"weight": 0.5}), tmp_path)


def test_an_assistant_is_measured_by_what_it_cites_and_by_what_it_could_have_cited():
    library = ListLibrary([("ports.md", PORT.text), ("backup.md", BACKUP.text)])
    running = dict.fromkeys(Behaviour, FEW_SHOT) | {Behaviour.RERANK: Running("hybrid_order")}
    ask = assistant_system(Assistant(QueueEngine(scores=[YES, NO, NO, NO]), library, running))
    answered = ask(AssistantRow(question="What port does the gateway listen on?", answerable=True, uri="ports.md"))
    assert (answered.refused, answered.cited_uris) == (False, ("ports.md",))
    assert answered.retrieved_uris == ("ports.md", "backup.md")
    refused = ask(AssistantRow(question="Who painted the ceiling?", answerable=False))
    assert (refused.refused, refused.cited_uris) == (True, ())
