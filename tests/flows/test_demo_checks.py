"""The demo's promises: each is told when it is not kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.demo_checks import Evidence, unmet_by_answer, unmet_by_follow_up, unmet_by_refusal
from retrieval.sources.folder import FolderSource
from serving.assistant.answer import Answer, Citation, Versions
from serving.interface.refusal import Reason
from serving.interface.turns import Turn

TEXT = "Plans are text. A plan says when water runs."
HISTORY = (Turn(role="user", content="What are plans?"), Turn(role="assistant", content="Plans are text."))


class OneText:
    """An archive of one document."""

    def text(self, generation: int, document_id: str) -> str:
        assert (generation, document_id) == (3, "docs:plans.md")
        return TEXT


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    (tmp_path / "plans.md").write_text(TEXT, "utf-8")
    return Evidence(OneText(), FolderSource("docs", tmp_path))  # type: ignore[arg-type]


def answer(*quotes: tuple[int, str], refused: Reason | None = None, query: str = "plans") -> Answer:
    return Answer(
        answer_id="1",
        text="Plans are text.",
        refused=refused is not None,
        refusal_reason=refused,
        query=query,
        citations=tuple(
            Citation(
                answer_start=0,
                answer_end=15,
                document_id="docs:plans.md",
                uri="docs/plans.md",
                title="Plans",
                passage_id="p",
                source_start=start,
                source_end=start + len(quote),
                quote=quote,
                support=1.0,
            )
            for start, quote in quotes
        ),
        versions=Versions(generation=3, contract="c", base_model="m", adapters={}),
        timings_ms={},
    )


def test_quotes_that_stand_where_they_say_are_as_promised(evidence: Evidence):
    assert unmet_by_answer(answer((0, "Plans are text."), (16, "A plan")), evidence) == ()


def test_a_quote_that_stands_elsewhere_is_told(evidence: Evidence):
    (stored, file) = unmet_by_answer(answer((1, "Plans are text.")), evidence)
    assert stored.startswith("the stored text of docs/plans.md")
    assert file.startswith("the file of docs/plans.md")


def test_a_quote_is_looked_up_in_the_file_itself_too(evidence: Evidence):
    (evidence.source.root / "plans.md").write_text("Other text.", "utf-8")
    (unmet,) = unmet_by_answer(answer((0, "Plans are text.")), evidence)
    assert unmet.startswith("the file")


def test_a_refusal_and_an_answer_without_citations_are_no_answers(evidence: Evidence):
    assert unmet_by_answer(answer(refused=Reason.UNANSWERABLE), evidence) == ("it was refused (unanswerable)",)
    assert unmet_by_answer(answer(), evidence) == ("it cites nothing",)


def test_a_follow_up_must_take_a_word_from_the_conversation(evidence: Evidence):
    cited = (0, "Plans are text.")
    assert unmet_by_follow_up(answer(cited, query="when do plans run"), "And when?", HISTORY, evidence) == ()
    (unmet,) = unmet_by_follow_up(answer(cited, query="and when"), "And when?", HISTORY, evidence)
    assert "conversation" in unmet


def test_a_foreign_question_must_be_refused_without_citations():
    assert unmet_by_refusal(answer(refused=Reason.UNANSWERABLE)) == ()
    assert unmet_by_refusal(answer((0, "Plans are text."))) == ("it was answered",)
