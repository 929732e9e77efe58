"""The commands: what they print, and what bad input gets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.extras import EXTRAS
from retrieval.generations import writer_lock
from tests.architecture.test_code import HEAVY
from tests.architecture.tree import PACKAGES, imports, modules
from tests.flows.calls import Command
from tests.retrieval.readable import ReadableEncoder

Call = Callable[..., Command]
COMMANDS = [
    typed.split()
    for typed in (
        "", "demo", "refresh", "search", "ask", "doctor", "advise", "retrain", "convert", "evaluate",
        "evaluate retrieval", "evaluate assistant", "evaluate query_rewrite", "evaluate refusal", "evaluate citation",
        "evaluate rerank", "adapters", "adapters list", "adapters show", "adapters promote", "adapters rollback",
        "adapters verify",
    )
]  # fmt: skip


# Help


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_explains_the_command_and_succeeds(call: Call, command: list[str]):
    shown = call(*command, "--help")
    assert shown.code == 0
    assert "Usage: groundskeeper " + " ".join(command) in shown.out


def test_the_help_of_evaluate_lists_all_six(call: Call):
    shown = call("evaluate", "--help").out
    measured = {"query_rewrite", "refusal", "citation", "rerank", "retrieval", "assistant"}
    assert measured <= set(shown.split())


def test_help_loads_no_heavy_library_so_that_it_answers_at_once():
    script = (
        "import sys; from flows.cli import main; main(['--help']);"
        " print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(done.stderr.split())
    assert "typer" in loaded
    assert loaded & (HEAVY | {"pydantic", "rich"}) == set()


# The way of a document


def test_a_refresh_says_what_it_did_and_a_second_one_encodes_nothing(call: Call, pages: Path, encoder: ReadableEncoder):
    first, second = call("refresh", "pages", "--json"), call("refresh", "pages", "--json")
    assert (first.code, second.code) == (0, 0)
    assert first.document["documents"] == {"added": 2, "changed": 0, "removed": 0, "unchanged": 0}
    assert first.document["encoder_calls"] == first.document["passages"]["added"] == 3
    assert (second.document["generation"], second.document["encoder_calls"]) == (first.document["generation"], 0)
    assert second.document["documents"]["unchanged"] == 2


def test_a_plan_tells_and_writes_nothing(call: Call, pages: Path, encoder: ReadableEncoder):
    planned = call("refresh", "pages", "--plan")
    assert planned.code == 0
    assert "3 texts would be encoded" in planned.out
    assert encoder.seen == []
    assert not Path("var/index/generations").exists()


def test_a_search_gives_hits_whose_text_stands_at_its_offsets(call: Call, pages: Path, encoder: ReadableEncoder):
    call("refresh", "pages")
    found = call("search", "how do I pause a plan", "--top-k", "2", "--json").document
    assert len(found["hits"]) == 2
    for hit in found["hits"]:
        text = (pages / hit["uri"].removeprefix("pages/")).read_text("utf-8")
        assert text[hit["start"] : hit["end"]] == hit["text"]
        assert hit.keys() >= {"passage_id", "document_id", "uri", "start", "end", "text", "score"}
    assert "pages/watering.md, characters" in call("search", "how do I pause a plan").out


def test_sources_of_the_settings_are_read_when_none_is_given(call: Call, pages: Path, encoder: ReadableEncoder):
    Path("groundskeeper.toml").write_text('[[sources]]\nname = "beds"\npath = "pages"\ntrust = "community"\n')
    assert call("refresh", "--json").document["documents"]["added"] == 2
    assert call("search", "pause", "--json").document["hits"][0]["uri"].startswith("beds/")


def test_a_source_may_be_given_a_name(call: Call, pages: Path, encoder: ReadableEncoder):
    call("refresh", "beds=pages")
    assert call("search", "pause", "--json").document["hits"][0]["document_id"].startswith("beds:")


def test_the_home_option_moves_the_index(call: Call, pages: Path, encoder: ReadableEncoder):
    call("refresh", "pages", "--home", "elsewhere")
    assert Path("elsewhere/index/CURRENT").exists()
    assert not Path("var").exists()


def test_evaluate_retrieval_compares_three_rankings(call: Call, pages: Path, encoder: ReadableEncoder):
    call("refresh", "pages")
    rows = [
        {"question": "How do I pause a watering plan?", "uri": "watering.md"},
        {"question": "What does installing the gardener take?", "uri": "pages/install.md"},
        {"question": "Who is the gardener's neighbour?", "uri": "neighbours.md"},
    ]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    measured = call("evaluate", "retrieval", "--data", "rows.jsonl", "--json").document
    assert (measured["rows"], measured["judged"], measured["unjudged"]) == (3, 2, 1)
    assert list(measured["modes"]) == ["bm25", "dense", "hybrid"]
    assert measured["metrics"] == measured["modes"]["hybrid"]
    assert measured["modes"]["bm25"]["hit_at_1"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert "hit_at_1" in call("evaluate", "retrieval", "--data", "rows.jsonl", "--mode", "bm25").out


# Bad input: a message, a remedy, the right exit code, nothing half-written


def refused(done: Command, kind: str, code: int = 2) -> str:
    """The message of an error given as JSON, after a look at its shape and at what a person reads."""
    assert done.code == code
    error = done.document["error"]
    assert error["kind"] == kind
    assert error["remedy"]
    assert done.err == f"error: {error['message']}\n  {error['remedy']}\n"
    return str(error["message"])


def test_a_missing_root_is_an_error_and_changes_nothing(call: Call, pages: Path, encoder: ReadableEncoder):
    call("refresh", "pages")
    pages.rename("moved")
    assert "does not exist" in refused(call("refresh", "pages", "--json"), "source_missing")
    assert len(call("search", "pause", "--json").document["hits"]) == 3


def test_an_empty_root_empties_the_source_and_warns(call: Call, pages: Path, encoder: ReadableEncoder):
    call("refresh", "pages")
    for page in pages.iterdir():
        page.unlink()
    emptied = call("refresh", "pages", "--json")
    assert emptied.code == 0
    assert emptied.document["documents"]["removed"] == 2
    assert len(emptied.document["warnings"]) == 1
    assert call("search", "pause", "--json").document["hits"] == []


def test_documents_that_cannot_be_read_are_named_and_the_rest_is_indexed(
    call: Call, pages: Path, encoder: ReadableEncoder
):
    (pages / "broken.pdf").write_bytes(b"%PDF-1.7\nnot a pdf")
    (pages / "picture.md").write_bytes(bytes(range(256)) * 8)
    with (pages / "huge.txt").open("wb") as huge:
        huge.truncate(200 * 1024 * 1024)
    done = call("refresh", "pages", "--json")
    assert done.code == 0
    assert done.document["documents"]["added"] == 2
    skipped = {skip["uri"]: skip["reason"] for skip in done.document["skipped"]}
    assert skipped.keys() == {"pages/broken.pdf", "pages/picture.md", "pages/huge.txt"}
    assert "200.0 MiB" in skipped["pages/huge.txt"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1252"])
def test_odd_encodings_are_read(call: Call, pages: Path, encoder: ReadableEncoder, encoding: str):
    text = "# Gärten\n\n" + "Über die Beete läuft täglich Wasser, naïve Gärtner staunen darüber sehr. " * 5
    (pages / "odd.md").write_bytes(text.encode(encoding))
    done = call("refresh", "pages", "--json")
    assert done.document["skipped"] == []
    assert any("läuft täglich" in hit["text"] for hit in call("search", "Gärtner Wasser", "--json").document["hits"])


def test_a_missing_model_names_the_ways_to_get_one(call: Call, pages: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GROUNDSKEEPER_EMBEDDER", "./no-such-model")
    missing = call("refresh", "pages", "--json")
    assert "no-such-model" in refused(missing, "model_missing")
    remedy = missing.document["error"]["remedy"]
    assert all(way in remedy for way in ("pip install", "path", "Hugging Face"))
    assert not Path("var/index").exists()


def test_a_full_disk_leaves_the_old_generation_and_the_next_run_finishes(
    call: Call, pages: Path, encoder: ReadableEncoder, monkeypatch: pytest.MonkeyPatch
):
    call("refresh", "pages")
    (pages / "new.md").write_text("# Pruning\n\nPruning is done in spring, before the plants wake up again.\n")
    with monkeypatch.context() as full:

        def no_room(*arguments: object, **options: object) -> None:
            raise OSError(28, "No space left on device")

        full.setattr("retrieval.generations.write_synced", no_room)
        refused(call("refresh", "pages", "--json"), "disk_full")
    assert call("search", "pruning", "--json").document["generation"] == 1
    assert not Path("var/index/work").exists()
    finished = call("refresh", "pages", "--json").document
    assert (finished["generation"], finished["documents"]["added"], finished["encoder_calls"]) == (2, 1, 0)


def test_a_second_writer_is_told_who_the_first_is(call: Call, pages: Path, encoder: ReadableEncoder):
    with writer_lock(Path("var/index")):
        assert str(os.getpid()) in refused(call("refresh", "pages", "--json"), "index_busy")


def test_ctrl_c_ends_a_refresh_with_130_and_leaves_nothing_half_written(
    call: Call, pages: Path, encoder: ReadableEncoder, monkeypatch: pytest.MonkeyPatch
):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs are born ignoring it
    with monkeypatch.context() as pressed:
        pressed.setattr(encoder, "encode", lambda texts: signal.raise_signal(signal.SIGINT))
        refused(call("refresh", "pages", "--json"), "interrupted", code=130)
    signal.signal(signal.SIGINT, before)
    assert not Path("var/index/CURRENT").exists()
    assert not Path("var/index/work").exists()
    assert call("refresh", "pages", "--json").document["generation"] == 1


def test_a_home_that_is_no_folder_is_refused(call: Call, pages: Path, encoder: ReadableEncoder):
    Path("taken").write_text("a file")
    assert "`home` = taken" in refused(call("refresh", "pages", "--home", "taken", "--json"), "settings_invalid")


def test_two_folders_of_one_name_are_refused(call: Call, pages: Path, encoder: ReadableEncoder):
    call("refresh", "pages")
    Path("other/pages").mkdir(parents=True)
    refused(call("refresh", "other/pages", "--json"), "source_name_taken")
    refused(call("refresh", "pages", "other/pages", "--json"), "source_unnamed")


REFUSED = {
    "no source": (["refresh"], "source_unnamed"),
    "a nameless source": (["refresh", "=pages"], "source_unnamed"),
    "a name that breaks ids": (["refresh", "a:b=pages"], "source_unnamed"),
    "an empty path": (["refresh", ""], "source_unnamed"),
    "a name without a path": (["refresh", "handbook="], "source_unnamed"),
    "a demo of nothing": (["demo", "--source", "", "--no-flow"], "source_unnamed"),
    "an empty home": (["refresh", "pages", "--home", ""], "settings_invalid"),
    "a search before any refresh": (["search", "plan"], "index_missing"),
    "a question before any refresh": (["ask", "How?"], "index_missing"),
    "a bound overstepped": (["search", "plan", "--top-k", "0"], "settings_invalid"),
    "no rows": (["evaluate", "retrieval", "--data", "none.jsonl"], "rows_invalid"),
    "no rows to train on": (["retrain", "refusal"], "rows_unnamed"),
    "no charter": (["advise", "none.yaml"], "charter_invalid"),
    "rows of an assistant that are not there": (["evaluate", "assistant", "--data", "none.jsonl"], "rows_invalid"),
    "no history": (["ask", "How?", "--history", "none.json"], "history_invalid"),
    "an unknown option": (["search", "plan", "--topk", "3"], "usage"),
    "a missing argument": (["search"], "usage"),
    "an unknown command": (["find"], "usage"),
    "a query that is not UTF-8": (["search", "caf\udce9"], "usage"),
    "a question that is not UTF-8": (["ask", "caf\udce9?"], "usage"),
    "an unknown mode": (["search", "plan", "--mode", "fuzzy"], "usage"),
}


@pytest.mark.parametrize(("arguments", "kind"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_is_refused_with_a_remedy(
    call: Call, pages: Path, encoder: ReadableEncoder, arguments: list[str], kind: str
):
    refused(call(*arguments, "--json"), kind)
    assert not Path("var/index/CURRENT").exists()


REMEDIES = {
    "find": "See: groundskeeper --help",
    "evaluate find": "See: groundskeeper evaluate --help",
    "search plan --topk 3": "See: groundskeeper search --help",
    "evaluate retrieval": "See: groundskeeper evaluate retrieval --help",
}


@pytest.mark.parametrize(("typed", "remedy"), REMEDIES.items(), ids=REMEDIES)
def test_the_remedy_for_a_mistyped_command_is_itself_a_command(call: Call, typed: str, remedy: str):
    assert call(*typed.split(), "--json").document["error"]["remedy"] == remedy
    assert call(*remedy.split()[2:]).code == 0


def test_a_library_that_is_not_installed_is_told_with_its_extra(
    call: Call, pages: Path, encoder: ReadableEncoder, monkeypatch: pytest.MonkeyPatch
):
    def not_installed(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("flows.refresh_index.choose_sources", lambda *given: not_installed("flows.gone"))
    with pytest.raises(ModuleNotFoundError):  # a module of ours: no extra would bring it
        call("refresh", "pages")
    monkeypatch.setattr("flows.refresh_index.choose_sources", lambda *given: not_installed("prefect.client"))
    message = refused(call("refresh", "pages", "--json"), "missing_extra")
    assert message == "This command needs prefect, which is not installed."


def test_every_library_of_the_packages_is_a_requirement_or_comes_with_an_extra():
    required = {"jinja2", "pydantic", "pydantic_settings", "rich", "typer", "yaml"}
    roots = {name.partition(".")[0] for module in modules() for name in imports(module.tree)}
    foreign = roots - sys.stdlib_module_names - set(PACKAGES)
    assert len(foreign) > 15
    assert foreign - EXTRAS.keys() - required == set()


def test_what_would_steer_a_terminal_is_printed_as_text(call: Call, pages: Path, encoder: ReadableEncoder):
    (pages / "trap.md").write_text("# Trap\n\nA trap\x1b[2J waits \u202ehere\r\nfor every terminal that shows it.\n")
    call("refresh", "pages")
    shown = call("search", "trap terminal").out
    assert "A trap\\x1b[2J waits \\u202ehere" in shown
    assert not set(shown) & set("\x1b\u202e\r")


def test_an_empty_query_is_refused(call: Call, pages: Path, encoder: ReadableEncoder):
    call("refresh", "pages")
    refused(call("search", " ", "--json"), "query_empty")


def test_without_json_an_error_leaves_standard_output_empty(call: Call):
    done = call("refresh")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: No source was given")


def test_a_programmer_error_keeps_its_traceback(
    call: Call, pages: Path, encoder: ReadableEncoder, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("retrieval.refresh.read_base", lambda index_root: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        call("refresh", "pages")
