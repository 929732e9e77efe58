"""The script that makes the rows of the starters again works on files of any size, and says what it leaves out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tuning.rows import CitationRow, QueryRewriteRow, RefusalRow, RerankRow, read_rows

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("Ferry#1_0", "Boat#1_0", "Raft#1_0")
BRIDGE = "The bridge was built in 1310 by monks. It has five arches."
TOWER = "The tower is 40 metres tall. Its lamp turns once in ten seconds."
FOG = "Fog signals were horns at first. The last one fell silent in 1988."
HORNS = [f"Horn {n} is loud. It is heard for {n} miles." for n in range(2, 9)]
FERRY = "\n\nTake a bicycle: \nBicycles travel free of charge. Tie yours to the rail. \n\nCancel \nCancel until noon. "
KEPT = {"id": "p1", "text": "Backups are kept for a month.", "title": "Backups"}


def _asked(name: str, question: str, text: str, answer: str | None) -> dict[str, Any]:
    answers = [{"text": answer, "answer_start": text.index(answer)}] if answer else []
    return {"id": name, "question": question, "answers": answers, "is_impossible": not answers}


def _article(title: str, text: str, *asked: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "paragraphs": [{"context": text, "qas": list(asked)}]}


def _turn(name: str, page: str, answer: str) -> dict[str, Any]:
    where = {"doc_id": page, "answer": answer, "answer_start": FERRY.index(answer)}
    return {"id": name, "history": [], "query": "user:Where does my bicycle go?", **where}


def _dialogue(page: str, refers: str) -> dict[str, Any]:
    """The dialogue as it is published of which `_turn` is the only turn, if it refers to the span `1`."""
    turns = [
        {"turn_id": 1, "role": "user", "utterance": "Where does my bicycle go?", "references": []},
        {"turn_id": 2, "role": "agent", "utterance": "To the rail.", "references": [{"sp_id": refers}]},
    ]
    return {"dial_id": page, "turns": turns}


def _page_row(label: str, number: int) -> dict[str, Any]:
    answering = {"answering": "p1"} if label == "answerable" else {}
    origin = {"source": "question_pages", "document": "backup.md", "synthetic": True, "slice": "page"}
    return {"question": f"Is number {number} kept?", "passages": [KEPT], "label": label, "origin": origin, **answering}


FILES: dict[str, list[dict[str, Any]] | dict[str, Any]] = {
    "squad": {
        "data": [
            _article(
                "Bridge",
                BRIDGE,
                _asked("a", "When was the bridge built?", BRIDGE, "1310"),
                _asked("b", "Who paid the monks?", BRIDGE, None),
                _asked("f", "How many arches has it?", BRIDGE, "five"),
            ),
            _article("Tower", TOWER, _asked("c", "How tall is the tower?", TOWER, "40 metres")),
            {
                "title": "Fog",
                "paragraphs": [
                    {"context": FOG, "qas": [_asked("e", "When did the last one fall silent?", FOG, "1988")]},
                    *({"context": horn, "qas": [_asked(horn, "What is it?", horn, "loud")]} for horn in HORNS),
                ],
            },
        ]
    },
    "squad1": {"data": [_article("Lamp", TOWER, _asked("d", "How often does it turn?", TOWER, "once"))]},
    "documents": [{"doc_id": page, "text": FERRY} for page in DOCUMENTS],
    "turns": [_turn(f"{page}_1", page, "Tie yours to the rail") for page in DOCUMENTS],
    "pages": [_page_row(label, n) for n, label in enumerate(["answerable", *["unanswerable"] * 3])],
    "ranked": [
        {
            "question": "How long are backups kept?",
            "passages": [{**KEPT, "relevance": 1.0}, {"id": "p2", "text": "Ports are open.", "relevance": 0.0}],
            "origin": {"source": "question_pages", "document": "backup.md", "synthetic": True},
        }
    ],
    "rewrites": [
        {
            "source": "cast2020",
            "conv": conversation,
            "turn": 3,
            "history": {
                "topic": [],
                "turns": [
                    {"role": "user", "text": "Tell me about the tower."},
                    {"role": "agent", "text": "It is tall."},
                ],
            },
            "question": "And its keeper?",
            "rewrite": "Who was the tower's keeper?",
        }
        for conversation in ("7", "8", "9")
    ],
    "disfl-qa": {"a": {"original": "When was the bridge built?", "disfluent": "Who no when was the bridge built?"}},
}


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    arguments = []
    for name, content in FILES.items():
        lines = content if isinstance(content, list) else [content]
        (tmp_path / name).write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
        arguments += [f"--{name}", str(tmp_path / name)]
    return arguments


def _run(given: list[str], output: Path) -> subprocess.CompletedProcess[str]:
    script = [sys.executable, str(ROOT / "infra/starter/make_rows.py"), *given, "--output", str(output)]
    return subprocess.run(script, capture_output=True, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})


def _made(given: list[str], output: Path) -> dict[str, bytes]:
    done = _run(given, output)
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_bytes() for path in output.iterdir()}


def _publish(folder: Path, refers: str = "1") -> None:
    """Doc2Dial's documents and dialogues as they are published, on many lines, in place of the JSON lines."""
    start = FERRY.index("Tie yours")
    span = {"start_sp": start, "end_sp": start + len("Tie yours to the rail")}
    documents = {page: {"title": page, "doc_text": FERRY, "spans": {"1": span}} for page in DOCUMENTS}
    dialogues = {page: [_dialogue(page, refers)] for page in DOCUMENTS}
    (folder / "documents").write_text(json.dumps({"doc_data": {"boats": documents}}, indent=4), encoding="utf-8")
    (folder / "turns").write_text(json.dumps({"dial_data": {"boats": dialogues}}, indent=4), encoding="utf-8")


def test_the_same_files_give_the_same_rows_of_every_source(given: list[str], tmp_path: Path) -> None:
    first = _made(given, tmp_path / "first")
    assert _made(given, tmp_path / "second") == first
    refused = list(read_rows(tmp_path / "first/refusal.jsonl", RefusalRow))
    rewritten = list(read_rows(tmp_path / "first/query_rewrite.jsonl", QueryRewriteRow))
    cited = list(read_rows(tmp_path / "first/citation.jsonl", CitationRow))
    ranked = list(read_rows(tmp_path / "first/rerank.jsonl", RerankRow))
    assert {row.origin.source for row in ranked} == {"squad", "ray-docs"}
    assert {row.origin.source for row in refused} == {"squad", "doc2dial", "ray-docs"}
    assert {row.origin.source for row in rewritten} == {"cast2020", "disfl_qa"}
    assert sorted(row.label for row in refused if row.origin.source == "ray-docs") == ["answerable", "unanswerable"]
    assert {row.origin.source for row in cited} == {"squad", "doc2dial"}


def test_doc2dial_as_it_is_published_gives_the_same_rows_as_its_json_lines(given: list[str], tmp_path: Path) -> None:
    of_lines = _made(given, tmp_path / "first")
    _publish(tmp_path)
    assert _made(given, tmp_path / "second") == of_lines


def test_what_became_no_row_is_counted_by_file_and_source_with_its_reason(given: list[str], tmp_path: Path) -> None:
    _publish(tmp_path, refers="a span that there is not")
    told = _run(given, tmp_path / "rows").stdout.splitlines()
    assert "citation.jsonl of squad, left out, 1: unanswerable" in told
    assert "citation.jsonl of doc2dial, left out, 2: no span of its document answers it" in told
    assert "citation.jsonl of doc2dial, left out, 1: its document is not among the given" in told
    written = len((tmp_path / "rows/citation.jsonl").read_text("utf-8").splitlines())
    assert f"citation.jsonl: {written} rows" in told


def test_an_output_that_is_a_file_is_told_before_anything_is_read(given: list[str], tmp_path: Path) -> None:
    (tmp_path / "rows").write_text("mine", encoding="utf-8")
    done = _run(given, tmp_path / "rows")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip() == f"{tmp_path / 'rows'} cannot be used: File exists."
    assert (tmp_path / "rows").read_text("utf-8") == "mine"


def test_a_file_of_another_format_is_told_with_its_name_and_no_traceback(given: list[str], tmp_path: Path) -> None:
    (tmp_path / "turns").write_text("{", encoding="utf-8")
    done = _run(given, tmp_path / "rows")
    assert done.returncode == 1
    assert done.stderr.startswith(f"{tmp_path / 'turns'}, line 1: This is no JSON that can be read")
