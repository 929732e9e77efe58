"""The script that makes the rows of the starters again works on files of any size, as they are published."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tuning.rows import CitationRow, QueryRewriteRow, RefusalRow, read_rows

ROOT = Path(__file__).parents[2]
BRIDGE = "The bridge was built in 1310 by monks. It has five arches."
TOWER = "The tower is 40 metres tall. Its lamp turns once in ten seconds."
FOG = "Fog signals were horns at first. The last one fell silent in 1988."
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
            _article("Fog", FOG, _asked("e", "When did the last one fall silent?", FOG, "1988")),
        ]
    },
    "squad1": {"data": [_article("Lamp", TOWER, _asked("d", "How often does it turn?", TOWER, "once"))]},
    "documents": [{"doc_id": name, "text": FERRY} for name in ("Ferry#1_0", "Boat#1_0", "Raft#1_0")],
    "turns": [_turn(f"{page}_1", page, "Tie yours to the rail") for page in ("Ferry#1_0", "Boat#1_0", "Raft#1_0")],
    "pages": [_page_row(label, n) for n, label in enumerate(["answerable", *["unanswerable"] * 3])],
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


def _made(given: list[str], output: Path) -> dict[str, bytes]:
    script = [sys.executable, str(ROOT / "infra/starter/make_rows.py")]
    subprocess.run([*script, *given, "--output", str(output)], check=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
    return {path.name: path.read_bytes() for path in output.iterdir()}


def test_the_same_files_give_the_same_rows_of_every_source(given: list[str], tmp_path: Path) -> None:
    first = _made(given, tmp_path / "first")
    assert _made(given, tmp_path / "second") == first
    refused = list(read_rows(tmp_path / "first/refusal.jsonl", RefusalRow))
    rewritten = list(read_rows(tmp_path / "first/query_rewrite.jsonl", QueryRewriteRow))
    cited = list(read_rows(tmp_path / "first/citation.jsonl", CitationRow))
    assert {row.origin.source for row in refused} == {"squad", "doc2dial", "ray-docs"}
    assert {row.origin.source for row in rewritten} == {"cast2020", "disfl_qa"}
    assert sorted(row.label for row in refused if row.origin.source == "ray-docs") == ["answerable", "unanswerable"]
    assert {row.origin.source for row in cited} == {"squad", "doc2dial"}
