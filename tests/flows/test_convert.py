"""`convert`: files as they are published become rows that `evaluate` and `retrain` take; all else is told."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving.interface.behaviours import Behaviour
from serving.interface.rerank import build_pair
from tests.flows.calls import Command
from tests.retrieval.readable import ReadableEncoder
from tuning.rows import ROWS, RefusalRow, RerankRow, read_rows

Call = Callable[..., Command]

ROOF = "The roof is green. It was laid in 1931 by the masons of the town."
CELLAR = "The cellar holds barrels. It is dry all year."


def paragraph(text: str, *asked: tuple[str, str, str]) -> dict[str, Any]:
    questions = [
        {
            "id": name,
            "question": question,
            "answers": [{"text": answer, "answer_start": text.index(answer)}] if answer else [],
            "is_impossible": not answer,
        }
        for name, question, answer in asked
    ]
    return {"context": text, "qas": questions}


SQUAD = {
    "data": [
        {
            "title": "Town_hall",
            "paragraphs": [
                paragraph(
                    ROOF,
                    ("q1", "When was the roof laid?", "1931"),
                    ("q2", "Who paid for it?", ""),
                    ("q4", "Who laid it?", "the masons of the town"),
                ),
                paragraph(CELLAR, ("q3", "What does the cellar hold?", "barrels")),
            ],
        }
    ]
}
CANARD = [
    {
        "History": ["Town hall", "History", "When was the roof laid?", "In 1931."],
        "QuAC_dialog_id": "d1",
        "Question": "By whom?",
        "Rewrite": "By whom was the roof laid?",
        "Question_no": 2,
    }
]
CAST = [
    {
        "number": 1,
        "turn": [
            {"raw_utterance": "When was the roof laid?", "manual_rewritten_utterance": "When was the roof laid?"},
            {"raw_utterance": "By whom?", "manual_rewritten_utterance": "By whom was the roof laid?"},
        ],
    }
]
REWRITE = {
    "source": "cast",
    "conv": "c1",
    "history": {"topic": [], "turns": [{"role": "user", "text": "When was the roof laid?"}]},
    "question": "By whom?",
    "rewrite": "By whom was the roof laid?",
}
DISFL_QA = {"q1": {"original": "When was the roof laid?", "disfluent": "When was the cellar no the roof laid?"}}
PAGE = {"doc_id": "Garden#1", "text": "Watering\nPlants are watered at noon.\n\nPruning\nTrees are pruned in March.\n"}
TURN = {
    "id": "t1_2",
    "doc_id": "Garden#1",
    "history": ["user:Hello", "agent:Hello"],
    "query": "user:When are plants watered?",
    "answer": "Plants are watered at noon.",
    "answer_start": PAGE["text"].index("Plants"),
}
DOCUMENTS = {
    "doc_data": {
        "d": {"Garden#1": {"title": "Garden", "doc_text": PAGE["text"], "spans": {"1": {"start_sp": 9, "end_sp": 36}}}}
    }
}
DIALOGUES = {
    "dial_data": {
        "d": {
            "Garden#1": [
                {
                    "dial_id": "t1",
                    "turns": [
                        {"turn_id": 1, "role": "user", "utterance": "When are plants watered?", "references": []},
                        {"turn_id": 2, "role": "agent", "utterance": "At noon.", "references": [{"sp_id": "1"}]},
                    ],
                }
            ]
        }
    }
}


@pytest.fixture(autouse=True)
def published(working_folder: Path) -> None:
    """One small file of each format, written for this test."""
    whole = {"squad": SQUAD, "canard": CANARD, "cast": CAST, "disfl_qa": DISFL_QA}
    for name, parsed in (whole | {"doc2dial_doc": DOCUMENTS, "doc2dial_dial_train": DIALOGUES}).items():
        Path(f"{name}.json").write_text(json.dumps(parsed), "utf-8")
    for name, record in {"rewrites": REWRITE, "pages": PAGE, "turns": TURN}.items():
        Path(f"{name}.jsonl").write_text(json.dumps(record) + "\n", "utf-8")


WAYS = {
    "squad to refusal": (["squad", "squad.json"], "refusal", 4),
    "squad to citation": (["squad", "squad.json"], "citation", 3),
    "squad among two": (["squad", "squad.json", "--passages", "2"], "refusal", 4),
    "squad to rerank": (["squad", "squad.json", "--passages", "2"], "rerank", 3),
    "two files": (["squad", "squad.json", "squad.json"], "refusal", 8),
    "canard": (["canard", "canard.json"], "query_rewrite", 1),
    "cast": (["cast", "cast.json"], "query_rewrite", 1),
    "rewrites": (["rewrites", "rewrites.jsonl"], "query_rewrite", 1),
    "disfl_qa": (["disfl_qa", "disfl_qa.json", "squad.json"], "query_rewrite", 1),
    "doc2dial to citation": (["doc2dial", "pages.jsonl", "turns.jsonl"], "citation", 1),
    "doc2dial to refusal": (["doc2dial", "pages.jsonl", "turns.jsonl"], "refusal", 2),
    "dialogues to citation": (["doc2dial", "doc2dial_doc.json", "doc2dial_dial_train.json"], "citation", 1),
    "dialogues to refusal": (["doc2dial", "doc2dial_doc.json", "doc2dial_dial_train.json"], "refusal", 2),
    "dialogues to rerank": (
        ["doc2dial", "doc2dial_doc.json", "doc2dial_dial_train.json", "--passages", "2"],
        "rerank",
        1,
    ),
}


@pytest.mark.parametrize(("arguments", "behaviour", "rows"), WAYS.values(), ids=WAYS)
def test_a_published_file_becomes_rows_of_the_behaviour(call: Call, arguments: list[str], behaviour: str, rows: int):
    done = call("convert", *arguments, "--to", behaviour, "--output", "rows.jsonl", "--json")
    assert done.code == 0
    assert (done.document["behaviour"], done.document["rows"]) == (behaviour, rows)
    assert len(read_rows(Path("rows.jsonl"), ROWS[Behaviour(behaviour)])) == rows


def test_what_is_drawn_is_drawn_by_the_seed_of_the_option_or_of_the_settings(
    call: Call, monkeypatch: pytest.MonkeyPatch
):
    asked = [paragraph(f"Paragraph {n}.", (f"q{n}", f"Which is number {n}?", f"{n}")) for n in range(9)]
    Path("many.json").write_text(json.dumps({"data": [{"title": "Numbers", "paragraphs": asked}]}), "utf-8")

    def drawn(*seed: str) -> bytes:
        call("convert", "squad", "many.json", "--to", "rerank", "--passages", "5", *seed, "--output", "rows.jsonl")
        return Path("rows.jsonl").read_bytes()

    by_default, by_option = drawn(), drawn("--seed", "7")
    monkeypatch.setenv("GROUNDSKEEPER_SEED", "7")
    assert by_default != by_option == drawn()
    assert drawn("--seed", "0") == by_default


def test_a_seed_of_the_settings_is_no_fault_where_nothing_is_drawn(call: Call, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GROUNDSKEEPER_SEED", "7")
    assert call("convert", "canard", "canard.json", "--to", "query_rewrite", "--output", "rows.jsonl").code == 0


def test_what_became_no_row_is_counted_with_its_reason(call: Call):
    done = call("convert", "squad", "squad.json", "--to", "citation", "--output", "rows.jsonl")
    assert "3 rows of citation are in rows.jsonl." in done.out
    assert "left out, 1: unanswerable" in done.out


def test_a_file_of_dialogues_may_have_many_lines(call: Call):
    for name, parsed in {"doc2dial_doc": DOCUMENTS, "doc2dial_dial_train": DIALOGUES}.items():
        Path(f"{name}.json").write_text(json.dumps(parsed, indent=4), "utf-8")
    files = ["doc2dial_doc.json", "doc2dial_dial_train.json"]
    done = call("convert", "doc2dial", *files, "--to", "citation", "--output", "rows.jsonl", "--json")
    assert (done.code, done.document["rows"]) == (0, 1)


def test_questions_with_pages_are_ranked_among_what_the_index_finds(call: Call, pages: Path, encoder: ReadableEncoder):
    call("refresh", "pages")
    asked = {"question": "How is a watering plan paused?", "uri": "watering.md"}
    Path("asked.jsonl").write_text(json.dumps(asked) + "\n")
    told = ["--source", "gardeners", "--licence", "CC0"]
    done = call("convert", "question_pages", "asked.jsonl", "--to", "rerank", *told, "--output", "rows.jsonl", "--json")
    assert done.document["rows"] == 1
    (row,) = read_rows(Path("rows.jsonl"), RerankRow)
    assert (row.origin.source, row.origin.licence) == ("gardeners", "CC0")
    assert sorted(passage.relevance for passage in row.passages) == [0.0, 1.0, 1.0]
    assert all(passage.title for passage in row.passages)


def test_questions_with_pages_are_judged_on_what_the_index_finds(call: Call, pages: Path, encoder: ReadableEncoder):
    call("refresh", "pages")
    about = [("How is a watering plan paused", "watering.md"), ("How is the gardener installed", "install.md")]
    asked = [(f"{question} on day {n}?", page) for question, page in about for n in range(8)]
    lines = [json.dumps({"question": question, "gold_path": page}) + "\n" for question, page in asked]
    Path("asked.jsonl").write_text("".join(lines))
    done = call("convert", "question_pages", "asked.jsonl", "--to", "refusal", "--output", "rows.jsonl", "--json")
    rows = read_rows(Path("rows.jsonl"), RefusalRow)
    assert done.document["rows"] == len(rows) > 0
    assert {row.label for row in rows} == {"answerable", "unanswerable"}


def test_an_address_of_a_page_leads_to_its_document(call: Call, pages: Path, encoder: ReadableEncoder):
    call("refresh", "pages")
    address = "https://docs.example/latest/watering.html#pausing-a-plan"
    Path("asked.json").write_text(json.dumps([{"question": "How is a watering plan paused?", "source": address}]))
    call("convert", "question_pages", "asked.json", "--to", "rerank", "--output", "rows.jsonl")
    (row,) = read_rows(Path("rows.jsonl"), RerankRow)
    assert (row.origin.document, row.origin.source) == ("pages/watering.md", "question_pages")


def test_a_passage_that_begins_in_code_is_trained_on_as_it_is_served(call: Call, pages: Path, encoder: ReadableEncoder):
    lines = "\n".join(f"# bed {n}\nwater bed {n} every morning with ten cans" for n in range(80))
    (pages / "script.md").write_text(f"# Script\n\nThis is the whole script:\n\n```\n{lines}\n```\n", "utf-8")
    call("refresh", "pages")
    Path("asked.jsonl").write_text(json.dumps({"question": "How is a bed watered?", "gold_path": "script.md"}) + "\n")
    done = call("convert", "question_pages", "asked.jsonl", "--to", "rerank", "--output", "rows.jsonl", "--json")
    assert done.code == 0
    (row,) = read_rows(Path("rows.jsonl"), RerankRow)
    within = [passage for passage in row.passages if passage.text.startswith(("water bed", "# bed"))]
    assert within
    assert all(passage.in_code and "water bed" in build_pair(row.question, passage)[1] for passage in within)
    assert not any(passage.in_code for passage in row.passages if "This is the whole" in passage.text)


SEED = ["--seed", "0"]
WRONG = {
    "another format": (["squad", "canard.json", "--to", "refusal"], "data_invalid"),
    "a behaviour that a format does not make": (["canard", "canard.json", "--to", "refusal"], "data_invalid"),
    "no such file": (["squad", "none.json", "--to", "refusal"], "data_invalid"),
    "lines instead of one document": (["squad", "two.jsonl", "--to", "refusal"], "data_invalid"),
    "one of two files": (["doc2dial", "pages.jsonl", "--to", "citation"], "data_invalid"),
    "a source that the files tell": (["squad", "squad.json", "--to", "refusal", "--source", "x"], "data_invalid"),
    "a licence that is known": (["canard", "canard.json", "--to", "query_rewrite", "--licence", "x"], "data_invalid"),
    "questions without pages": (["question_pages", "nowhere.jsonl", "--to", "rerank"], "data_invalid"),
    "passages that no row shows": (["cast", "cast.json", "--to", "query_rewrite", "--passages", "3"], "data_invalid"),
    "a seed where canard draws nothing": (["canard", "canard.json", "--to", "query_rewrite", *SEED], "data_invalid"),
    "a seed where cast draws nothing": (["cast", "cast.json", "--to", "query_rewrite", *SEED], "data_invalid"),
    "a seed of rewrites": (["rewrites", "rewrites.jsonl", "--to", "query_rewrite", *SEED], "data_invalid"),
    "a seed of ranked pages": (["question_pages", "asked.jsonl", "--to", "rerank", *SEED], "data_invalid"),
    "a seed of judged pages, but no index": (
        ["question_pages", "asked.jsonl", "--to", "refusal", *SEED],
        "index_missing",
    ),
    "more passages than there are": (["squad", "squad.json", "--to", "rerank", "--passages", "9"], "rows_invalid"),
    "brackets without end": (["squad", "nested.json", "--to", "refusal"], "data_invalid"),
    "an unknown format": (["csv", "squad.json", "--to", "refusal"], "usage"),
    "pages without an index": (["question_pages", "asked.jsonl", "--to", "rerank"], "index_missing"),
}


@pytest.mark.parametrize(("arguments", "kind"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_converted_is_refused_and_nothing_is_written(
    call: Call, encoder: ReadableEncoder, arguments: list[str], kind: str
):
    Path("two.jsonl").write_text("{}\n{}\n")
    Path("nested.json").write_text("[" * 100_000)
    Path("asked.jsonl").write_text('{"question": "How?", "gold_path": "x.md"}\n')
    Path("nowhere.jsonl").write_text('{"question": "How?"}\n')
    done = call("convert", *arguments, "--output", "rows.jsonl", "--json")
    assert (done.code, done.document["error"]["kind"]) == (2, kind)
    assert done.document["error"]["remedy"]
    assert not Path("rows.jsonl").exists()


def test_rows_do_not_replace_the_file_that_they_are_made_of(call: Call):
    before = Path("squad.json").read_bytes()
    done = call("convert", "squad", "squad.json", "--to", "refusal", "--output", "./squad.json", "--json")
    assert (done.code, done.document["error"]["kind"]) == (2, "data_invalid")
    assert Path("squad.json").read_bytes() == before


def test_what_is_wrong_with_a_file_is_told_with_its_name_and_line(call: Call):
    Path("mixed.jsonl").write_text(f"{json.dumps(REWRITE)}\n\n{json.dumps(REWRITE | {'history': []})}\n")
    messages = {
        ("squad", "canard.json", "refusal"): "canard.json: This is not a SQuAD file: it is not an object.",
        ("rewrites", "mixed.jsonl", "query_rewrite"): "mixed.jsonl, line 3: This is not a question in a conversation "
        "with its rewrite: history is not an object.",
        ("doc2dial", "turns.jsonl", "citation"): "turns.jsonl, line 1: This is not a Doc2Dial document: "
        "text is missing.",
        ("squad", "none.json", "refusal"): "none.json: It cannot be read: No such file or directory.",
    }
    for (kind, name, behaviour), message in messages.items():
        done = call("convert", kind, name, name, "--to", behaviour, "--output", "rows.jsonl", "--json")
        assert done.document["error"]["message"] == message


def convert_to(output: str, call: Call) -> Command:
    """To `output` from a file that is missing, which is told only once the output was found to be good."""
    return call("convert", "squad", "none.json", "--to", "refusal", "--output", output, "--json")


@pytest.mark.parametrize(
    "output",
    [".", "", "folder", "no/such/rows.jsonl", "squad.json/rows.jsonl", "pipe", "/dev/null", "circle", "x" * 300],
)
def test_an_output_that_rows_cannot_be_written_to_is_refused_before_any_are_made(call: Call, output: str):
    Path("folder").mkdir()
    os.mkfifo("pipe")
    Path("circle").symlink_to("circle")
    done = convert_to(output, call)
    assert (done.code, done.document["error"]["kind"]) == (2, "rows_invalid")
    assert f"{Path(output)}" in done.document["error"]["message"]
    assert "--output" in done.document["error"]["remedy"]
    assert Path("circle").is_symlink()


def test_a_folder_that_cannot_be_written_to_is_refused_before_any_rows_are_made(
    call: Call, monkeypatch: pytest.MonkeyPatch
):
    def refuse(dir: Path) -> None:
        raise PermissionError(13, "Permission denied", f"{dir}")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    done = convert_to("rows.jsonl", call)
    assert done.document["error"]["message"] == "No rows can be written to rows.jsonl: Permission denied."


@pytest.mark.parametrize("there", [True, False])
def test_rows_go_to_where_a_link_leads_and_the_link_stays(call: Call, there: bool):
    Path("folder").mkdir()
    if there:
        Path("folder/rows.jsonl").write_text("old")
    Path("link").symlink_to("folder/rows.jsonl")
    done = call("convert", "squad", "squad.json", "--to", "refusal", "--output", "link", "--json")
    assert (done.code, done.document["output"]) == (0, "link")
    assert Path("link").is_symlink()
    assert len(read_rows(Path("folder/rows.jsonl"), RefusalRow)) == 4
    assert sorted(path.name for path in Path("folder").iterdir()) == ["rows.jsonl"]


def test_rows_do_not_replace_through_a_link_the_file_that_they_are_made_of(call: Call):
    before = Path("squad.json").read_bytes()
    Path("link").symlink_to("squad.json")
    Path("twin").hardlink_to("squad.json")
    for output in ("link", "twin"):
        done = call("convert", "squad", "squad.json", "--to", "refusal", "--output", output, "--json")
        assert done.document["error"]["kind"] == "data_invalid"
    assert Path("squad.json").read_bytes() == before
