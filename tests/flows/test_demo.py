"""The demo's frame; the demo with real models is in `tests/end_to_end`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.demo import DemoAnswer
from tests.flows.calls import Command
from tests.flows.test_demo_checks import answer
from tests.retrieval.readable import ReadableEncoder

Call = Callable[..., Command]


def converse(monkeypatch: pytest.MonkeyPatch, *unmet: str) -> None:
    """The conversation is one answer of which `unmet` is not as promised."""

    def conversation(*arguments: Any) -> Iterator[DemoAnswer]:
        yield DemoAnswer("A question", "What are plans?", answer((0, "Plans are text.")), unmet)

    @contextmanager
    def no_assistant(settings: Any, say: Any) -> Iterator[None]:
        yield None

    monkeypatch.setattr("flows.demo._conversation", conversation)
    monkeypatch.setattr("flows.demo.open_assistant", no_assistant)


def test_what_is_not_as_promised_is_named_and_the_exit_code_says_so(
    call: Call, pages: Path, encoder: ReadableEncoder, monkeypatch: pytest.MonkeyPatch
):
    converse(monkeypatch, "it cites nothing")
    done = call("demo", "--source", "pages", "--no-flow")
    assert done.code == 1
    assert "Not as promised:\n  A question: it cites nothing" in done.out
    assert call("demo", "--source", "pages", "--no-flow", "--json").document["unmet"] == [
        "A question: it cites nothing"
    ]


def test_a_kept_promise_shows_refresh_question_answer_quote_timings_and_versions(
    call: Call, pages: Path, encoder: ReadableEncoder, monkeypatch: pytest.MonkeyPatch
):
    converse(monkeypatch)
    done = call("demo", "--source", "pages", "--no-flow")
    assert done.code == 0
    for shown in (
        "Source pages",
        "2 added",
        "> What are plans?",
        "docs/plans.md, characters 0 to 15",
        "Stages:",
        "contract c;",
    ):
        assert shown in done.out


def test_a_second_folder_of_the_same_name_gets_a_name_of_its_own_and_keeps_it(
    call: Call, pages: Path, encoder: ReadableEncoder, monkeypatch: pytest.MonkeyPatch
):
    converse(monkeypatch)
    other = Path("other/pages")
    other.mkdir(parents=True)
    (other / "soil.md").write_text("# Soil\n\nGood soil is dark and smells of rain, as every gardener knows well.\n")
    call("demo", "--source", "pages", "--no-flow")
    first = call("demo", "--source", "other/pages", "--no-flow", "--json").document["refresh"]
    second = call("demo", "--source", "other/pages", "--no-flow", "--json").document["refresh"]
    assert (first["documents"]["added"], first["documents"]["removed"]) == (1, 0)
    assert (second["documents"]["unchanged"], second["encoder_calls"]) == (3, 0)
    uris = {hit["uri"].partition("/")[0] for hit in call("search", "gardener", "--json").document["hits"]}
    assert "pages" in uris
    assert any(uri.startswith("pages-") for uri in uris)


def test_a_folder_without_headings_and_prose_is_told_so(
    call: Call, encoder: ReadableEncoder, monkeypatch: pytest.MonkeyPatch
):
    from flows.demo_questions import first_questions

    Path("lists").mkdir()
    Path("lists/list.txt").write_text("- one\n- two\n")
    monkeypatch.setattr("flows.demo._conversation", lambda *arguments: iter(first_questions([])))

    @contextmanager
    def no_assistant(settings: Any, say: Any) -> Iterator[None]:
        yield None

    monkeypatch.setattr("flows.demo.open_assistant", no_assistant)
    done = call("demo", "--source", "lists", "--no-flow", "--json")
    assert (done.code, done.document["error"]["kind"]) == (2, "nothing_to_ask")
