"""The demo's promises: each is told when it is not kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from flows.demo_checks import Evidence, unmet_by_answer, unmet_by_follow_up, unmet_by_refusal
from retrieval.sources.folder import FolderSource
from serving.assistant.answer import Answer, Citation, Versions
from serving.interface.refusal import Reason
from serving.interface.turns import Turn

TEXT = "Plans are text. A plan says when water runs."
HISTORY = (Turn(role="user", content="What are plans?"), Turn(role="assistant", content="Plans are text."))


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    """A source of one document, indexed as generation 3: catalogue and stored text as they lie on the disk."""
    source = FolderSource("docs", tmp_path / "docs")
    source.root.mkdir()
    (source.root / "plans.md").write_text(TEXT, "utf-8")
    generation = tmp_path / "index" / "generations" / "3"
    generation.mkdir(parents=True)
    entry = {"id": "docs:plans.md", "text_hash": "ab12"}
    (generation / "catalogue.json").write_text(
        json.dumps({"documents": [{"id": "docs:a.md", "text_hash": "c"}, entry]})
    )
    stored(tmp_path).parent.mkdir(parents=True)
    stored(tmp_path).write_text(TEXT, "utf-8")
    return Evidence(tmp_path / "index", tmp_path / "texts", source)


def stored(folder: Path) -> Path:
    return folder / "texts" / "ab" / "ab12.txt"


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


def test_a_quote_is_looked_up_in_the_stored_text_as_it_lies_on_the_disk(evidence: Evidence, tmp_path: Path):
    stored(tmp_path).write_text("Other text.", "utf-8")
    (unmet,) = unmet_by_answer(answer((0, "Plans are text.")), evidence)
    assert unmet.startswith("the stored text")
    stored(tmp_path).unlink()
    assert unmet_by_answer(answer((0, "Plans are text.")), evidence) == (unmet,)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
def test_a_file_is_held_to_its_text_only_where_its_encoding_is_beyond_doubt(
    evidence: Evidence, tmp_path: Path, encoding: str
):
    text = "Pläne sind Text."
    stored(tmp_path).write_text(text, "utf-8")
    (evidence.source.root / "plans.md").write_bytes(text.encode(encoding))
    assert unmet_by_answer(answer((0, "Pläne sind Text.")), evidence) == ()


def test_a_file_whose_ending_is_in_capitals_is_looked_into_as_well(evidence: Evidence):
    (evidence.source.root / "plans.MD").write_text("Other text.", "utf-8")
    (_, (holder, text)) = texts = list(evidence.texts(3, "docs:plans.MD"))
    assert (len(texts), holder, text) == (2, "file", "Other text.")


def test_an_answer_must_cite_the_source_it_was_asked_about(evidence: Evidence):
    asked = replace(evidence, source=replace(evidence.source, name="other"))
    (unmet,) = unmet_by_answer(answer((0, "Plans are text.")), asked)
    assert unmet == "it cites no document of other"


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
