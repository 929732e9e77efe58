"""A question's way to its answer: cited or refused, streamed as it is, with versions and timings."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from serving.assistant.errors import CalibrationMissing, CitationUnresolved, QuestionEmpty
from serving.assistant.pipeline import Assistant
from serving.assistant.running import Running
from serving.interface.behaviours import Behaviour
from serving.interface.context import ContextPassage
from serving.interface.fingerprint import contract_digest
from serving.interface.refusal import Reason
from serving.interface.turns import Turn
from tests.fakes import ListLibrary, QueueEngine, StepClock
from tests.serving.interface.chatml import CHATML

PAGES = [
    ("ports.md", "The gateway listens on port 7001. Change it with the setting listen_port. 👩‍👧 Restart afterwards."),
    ("backup.md", "Full backups run every Sunday.\nIncremental backups are kept for thirty days."),
]
UNTUNED = dict.fromkeys(Behaviour, Running("few_shot")) | {Behaviour.RERANK: Running("hybrid_order")}
TUNED = UNTUNED | {Behaviour.CITATION: Running("c1")}
YES, NO = (0.0, -9.0, -9.0), (-9.0, 0.0, -9.0)
FOLLOWED = [YES, NO, NO, NO]
"""A follow-up is judged twice over each passage."""


def _assistant(
    engine: QueueEngine, library: ListLibrary | None = None, running: dict[Behaviour, Running] = UNTUNED
) -> Assistant:
    return Assistant(engine, library or ListLibrary(PAGES), running, clock=StepClock(), new_id=lambda: "id-1")


def test_an_untuned_answer_quotes_its_evidence_and_every_citation_resolves() -> None:
    pieces: list[str] = []
    answer = _assistant(QueueEngine(scores=[YES, NO])).answer(
        "What port does the gateway listens on?", on_text=pieces.append
    )
    assert not answer.refused
    assert answer.text == "The gateway listens on port 7001."
    (citation,) = answer.citations
    assert citation.uri == "ports.md"
    assert citation.support == 1.0
    assert dict(PAGES)["ports.md"][citation.source_start : citation.source_end] == citation.quote == answer.text
    assert answer.text[citation.answer_start : citation.answer_end] == "The gateway listens on port 7001."
    assert "".join(pieces) == answer.text


def test_a_question_that_nothing_answers_is_refused_with_what_was_found_nearby() -> None:
    pieces: list[str] = []
    answer = _assistant(QueueEngine(scores=[NO, NO])).answer("Who painted the ceiling?", on_text=pieces.append)
    assert answer.refused
    assert answer.refusal_reason is Reason.UNANSWERABLE
    assert answer.citations == ()
    assert answer.text.startswith("I could not find an answer to this in the documentation. The closest I found:")
    assert "".join(pieces) == answer.text


def test_an_empty_index_is_a_refusal_without_asking_the_model() -> None:
    engine = QueueEngine()
    answer = _assistant(engine, ListLibrary([])).answer("Which port?")
    assert answer.refusal_reason is Reason.NOTHING_FOUND
    assert engine.scored == []


def test_a_first_question_is_not_rewritten() -> None:
    engine, library = QueueEngine(scores=[YES, NO]), ListLibrary(PAGES)
    answer = _assistant(engine, library).answer("What port does the gateway listens on?")
    assert engine.generated == []
    assert answer.query == "What port does the gateway listens on?"


HISTORY = [Turn(role="user", content="Where is the gateway?"), Turn(role="assistant", content="On port 7001.")]


def test_a_follow_up_is_searched_as_the_model_rewrote_it() -> None:
    engine, library = QueueEngine(["Change the gateway port?"], FOLLOWED), ListLibrary(PAGES)
    answer = _assistant(engine, library).answer("Can I change it?", history=HISTORY)
    assert answer.query == "Change the gateway port?"
    assert "Where is the gateway?" in engine.prompt(engine.generated[0])


@pytest.mark.parametrize(
    "written",
    ["The capital of France is Paris.", "two\nlines", "", "gateway gateway " * 40, "Can I change it?"],
    ids=["words nobody said", "two lines", "nothing", "rambling", "the question again"],
)
def test_a_rewrite_that_is_no_rewrite_is_not_searched_for(written: str) -> None:
    engine, library = QueueEngine([written], FOLLOWED), ListLibrary(PAGES)
    answer = _assistant(engine, library).answer("Can I change it?", history=HISTORY)
    assert answer.query == "Where is the gateway? Can I change it?"
    assert [weight for _, weight in library.queries[-1].searches] == pytest.approx([0.6, 0.4])


@pytest.mark.parametrize(
    ("written", "searched"),
    [
        ("can I change it", "Where is the gateway? Can I change it?"),
        ("Change the bridge?", "Change the bridge?"),
    ],
    ids=["the question again", "words nobody said"],
)
def test_an_adapters_rewrite_is_searched_for_unless_it_leaves_the_question_as_it_was(
    written: str, searched: str
) -> None:
    running = UNTUNED | {Behaviour.QUERY_REWRITE: Running("q1")}
    answer = _assistant(QueueEngine([written], FOLLOWED), running=running).answer("Can I change it?", history=HISTORY)
    assert answer.query == searched
    assert answer.versions.adapters["query_rewrite"] == "q1"


def test_a_tuned_answer_is_checked_sentence_by_sentence_and_streams_what_stands() -> None:
    written = "It listens on port 7001. [1] It listens on port 9999. [1] Restart the moon base now. [3] Left uncited"
    pieces: list[str] = []
    answer = _assistant(QueueEngine([written], [YES, NO]), running=TUNED).answer(
        "What port does the gateway listens on?", on_text=pieces.append
    )
    assert answer.text == "It listens on port 7001."
    assert [c.quote for c in answer.citations] == ["The gateway listens on port 7001."]
    assert "".join(pieces) == answer.text


def test_a_tuned_answer_of_several_sentences_cites_each_at_its_place() -> None:
    written = "It listens on port 7001. [1] Change it and restart. [2][3]"
    answer = _assistant(QueueEngine([written], [YES, NO]), running=TUNED).answer(
        "What port does the gateway listens on?"
    )
    assert answer.text == "It listens on port 7001. Change it and restart."
    assert [(c.answer_start, c.answer_end) for c in answer.citations] == [(0, 24), (25, 47), (25, 47)]
    for citation in answer.citations:
        assert dict(PAGES)[citation.uri][citation.source_start : citation.source_end] == citation.quote


@pytest.mark.parametrize("written", ["", "No citation.", "Wrong number. [99]"])
def test_a_written_answer_of_which_nothing_stands_is_a_refusal(written: str) -> None:
    pieces: list[str] = []
    answer = _assistant(QueueEngine([written], [YES, NO]), running=TUNED).answer(
        "What port does the gateway listens on?", on_text=pieces.append
    )
    assert answer.refusal_reason is Reason.UNSUPPORTED
    assert answer.citations == ()
    assert "".join(pieces) == answer.text


def test_an_answer_with_nothing_to_quote_is_a_refusal() -> None:
    library = ListLibrary([("titles.md", "# The gateway port\n\n# Another title")])
    answer = _assistant(QueueEngine(["Port 9999 is used. [1]"], [YES]), library, TUNED).answer("Which gateway port?")
    assert answer.refusal_reason is Reason.UNSUPPORTED
    assert answer.citations == ()


def test_every_answer_names_its_versions_and_times_its_stages() -> None:
    stages: list[str] = []
    answer = _assistant(QueueEngine(scores=[YES, NO])).answer(
        "What port does the gateway listens on?", on_stage=stages.append
    )
    assert answer.versions.generation == 7
    assert answer.versions.contract == contract_digest(CHATML)
    assert answer.versions.base_model == "fake-base@ffffffffffff"
    assert answer.versions.adapters == {
        "query_rewrite": "few_shot",
        "refusal": "few_shot",
        "citation": "few_shot",
        "rerank": "hybrid_order",
    }
    assert stages == list(answer.timings_ms) == ["rewrite", "search", "rerank", "answerable", "answer", "support"]
    assert all(value > 0 for value in answer.timings_ms.values())


def test_the_passages_that_may_be_cited_are_told_best_first_also_of_a_refusal() -> None:
    told: list[str] = []
    answer = _assistant(QueueEngine(scores=[NO, NO])).answer(
        "What port does the gateway listen on?", on_found=lambda passages: told.extend(p.uri for p in passages)
    )
    assert answer.refused
    assert told == ["ports.md", "backup.md"]


def test_a_passage_that_is_not_what_the_document_holds_is_never_cited() -> None:
    library = ListLibrary(PAGES)
    library.stored_text = lambda generation, document_id: "something else"  # type: ignore[method-assign]
    with pytest.raises(CitationUnresolved, match=r"ports\.md"):
        _assistant(QueueEngine(scores=[YES, NO]), library).answer("What port does the gateway listens on?")


def test_an_empty_question_is_refused_with_a_remedy() -> None:
    with pytest.raises(QuestionEmpty) as caught:
        _assistant(QueueEngine()).answer(" \n")
    assert caught.value.remedy


@pytest.mark.parametrize(("threshold", "refused"), [(0.2, False), (0.4, True)])
def test_a_tuned_judge_decides_by_the_threshold_of_its_manifest(threshold: float, refused: bool) -> None:
    third = (-1.0, -1.0, -1.0)
    running = UNTUNED | {Behaviour.REFUSAL: Running("r1", {"threshold": threshold})}
    answer = _assistant(QueueEngine(scores=[third, third]), running=running).answer("Which port?")
    assert answer.refused is refused
    assert answer.versions.adapters["refusal"] == "r1"


def test_an_assistant_whose_judge_has_no_threshold_does_not_open() -> None:
    with pytest.raises(CalibrationMissing):
        _assistant(QueueEngine(), running=UNTUNED | {Behaviour.REFUSAL: Running("r1")})


def test_the_passages_that_an_answer_could_use_are_told_also_of_a_refusal() -> None:
    found: list[str] = []
    _assistant(QueueEngine(scores=[NO, NO])).answer(
        "Which backups are kept?", on_found=lambda passages: found.extend(passage.uri for passage in passages)
    )
    assert found == ["backup.md", "ports.md"]


class ByName:
    """A reranker that likes one page."""

    def __init__(self, liked: str) -> None:
        self.liked, self.asked = liked, list[str]()

    def score(self, question: str, passages: Sequence[ContextPassage]) -> list[float]:
        self.asked.append(question)
        return [float(self.liked in passage.id) for passage in passages]


@pytest.mark.parametrize(("weight", "best"), [(0.9, "port7.md"), (0.1, "port0.md")])
def test_a_reranker_brings_up_what_search_ranks_deep_as_far_as_its_weight_goes(weight: float, best: str) -> None:
    library = ListLibrary([(f"port{n}.md", "The gateway listens on a port." + " Filler." * n) for n in range(9)])
    running, found = UNTUNED | {Behaviour.RERANK: Running("x1", {"weight": weight})}, list[str]()
    assistant = Assistant(
        QueueEngine(["Which gateway port?"], [NO] * 4), library, running, reranker=ByName("port7"), top_k=2
    )
    answer = assistant.answer(
        "Which port?", history=HISTORY, on_found=lambda passages: found.extend(passage.uri for passage in passages)
    )
    assert found[0] == best
    assert len(found) == 2
    assert answer.versions.adapters["rerank"] == "x1"


def test_the_rewritten_question_is_what_the_reranker_reads() -> None:
    reranker = ByName("ports")
    running = UNTUNED | {Behaviour.RERANK: Running("x1", {"weight": 0.5})}
    engine = QueueEngine(["Change the gateway port?"], FOLLOWED)
    Assistant(engine, ListLibrary(PAGES), running, reranker=reranker).answer("Can I change it?", history=HISTORY)
    assert reranker.asked == ["Change the gateway port?"]


def test_a_reranker_without_its_weight_is_refused_when_the_assistant_opens() -> None:
    with pytest.raises(CalibrationMissing, match="weight"):
        Assistant(QueueEngine(), ListLibrary(PAGES), UNTUNED | {Behaviour.RERANK: Running("x1")}, reranker=ByName(""))


@pytest.mark.parametrize(
    ("mode", "reranker"), [("x1", None), ("hybrid_order", ByName(""))], ids=["no reranker", "no version"]
)
def test_no_answer_names_a_reranker_that_had_no_part_in_it(mode: str, reranker: ByName | None) -> None:
    running = UNTUNED | {Behaviour.RERANK: Running(mode, {"weight": 0.5})}
    with pytest.raises(ValueError, match=mode):
        Assistant(QueueEngine(), ListLibrary(PAGES), running, reranker=reranker)
