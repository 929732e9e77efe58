"""The documentation says what is so: its links lead somewhere, its commands parse, its tables are those of the code."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from flows.cli import app
from flows.exit_codes import EXIT_CODES, INTERRUPTED, MENDABLE
from flows.settings import PREFIX, Settings, SourceSettings
from serving.assistant.answer import Answer, Citation, Versions
from serving.assistant.support import SUPPORT_THRESHOLD
from serving.interface.behaviours import Behaviour
from serving.interface.fingerprint import contract_digest
from serving.interface.refusal import Reason, refusal_text
from serving.registry.models import ModelFolder
from serving.registry.tokenizer import open_template
from tuning.recipe import Recipe
from tuning.recipe_rerank import RerankRecipe

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
TEXTS = {page.name: page.read_text("utf-8") for page in PAGES}
COMMANDS = typer.main.get_command(app)
PLANNED = ("serve", "revalidate", "report", "replay", "forget", "export")

each_page = pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)


def blocks(text: str, language: str) -> list[str]:
    """Contents of the fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def prose(text: str) -> str:
    """The text without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def links(text: str) -> list[str]:
    """Targets of links to something of this project."""
    found = re.findall(r"\]\(([^)\s]+)\)", prose(text))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def shown_commands(text: str) -> list[list[str]]:
    """Arguments of every `groundskeeper ...` in the blocks for the shell."""
    lines = [shlex.split(line, comments=True) for block in blocks(text, "bash") for line in block.splitlines()]
    return list(_arguments(lines))


def named_commands(text: str) -> list[list[str]]:
    """Arguments of every `groundskeeper ...` in the running text, where a command may stand without its arguments."""
    return list(_arguments([mention.split() for mention in re.findall(r"`([^`\n]+)`", prose(text))]))


def _arguments(lines: list[list[str]]) -> Iterator[list[str]]:
    for words in lines:
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words = words[1:]
        if words[:1] == ["groundskeeper"] and words[1:2] != ["..."]:
            yield words[1 : words.index(">") if ">" in words else None]


def parse(arguments: list[str]) -> tuple[str, ...]:
    """Parses like the command line, without running; returns the command's words. Raises what typer raises."""
    command, names, rest = COMMANDS, list[str](), [argument for argument in arguments if argument != "--help"]
    while rest and not _is_leaf(command):
        context = command.make_context("groundskeeper", list(rest))
        name, command, rest = command.resolve_command(context, rest)  # type: ignore[attr-defined]
        names.append(str(name))
    if _is_leaf(command) and (rest or "--help" not in arguments):
        command.make_context(names[-1], list(rest)).close()
    return tuple(names)


def _is_leaf(command: Any) -> bool:
    return not hasattr(command, "commands")


def leaves(command: Any = COMMANDS, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with its words."""
    if _is_leaf(command):
        yield path, command
        return
    for name, child in command.commands.items():
        yield from leaves(child, (*path, name))


def table(text: str, heading: str) -> list[list[str]]:
    """Rows of the first table below `heading`, cells without code marks."""
    below = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("|").split("|") for line in below.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("`", "") for cell in row] for row in rows[2:]]


def test_the_documentation_is_there():
    assert {"index.md", "getting-started.md", "settings.md", "errors.md", "roadmap.md"} <= TEXTS.keys()
    assert len(PAGES) >= 15


@each_page
def test_a_page_has_one_title_and_its_links_lead_somewhere(page: Path):
    text = page.read_text("utf-8")
    assert len(re.findall(r"^# ", prose(text), re.MULTILINE)) == 1
    for target in links(text):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file.read_text("utf-8")), target


def test_every_page_can_be_reached_from_the_first():
    assert {link.partition("#")[0] for link in links(TEXTS["index.md"])} == TEXTS.keys() - {"index.md"}


@each_page
def test_every_heading_is_answered_by_a_sentence_below_it(page: Path):
    if page == ROOT / "README.md":
        return
    text = page.read_text("utf-8")
    for heading, first in re.findall(r"^#+ ([^\n]+)\n+([^\n]*)", prose(text), re.MULTILINE):
        assert re.match(r"[A-Z`*].*\w", first), f"{heading}: {first!r}"
        assert first.endswith((".", ":")), f"{heading}: {first!r}"


@each_page
def test_every_command_that_is_shown_exists_with_these_options(page: Path):
    text = page.read_text("utf-8")
    for arguments in shown_commands(text):
        parse(arguments)
    for arguments in named_commands(text):
        bare = [argument for argument in arguments if not argument.isupper()]
        assert tuple(bare) in {path[:length] for path, _ in leaves() for length in (0, 1, 2)} or parse(arguments)


def test_the_pages_show_every_command():
    shown = [parse(arguments) for text in TEXTS.values() for arguments in shown_commands(text)]
    assert len(shown) > 30
    assert set(shown) >= {path for path, _ in leaves()}
    assert sum(len(named_commands(text)) for text in TEXTS.values()) > 5


@pytest.mark.parametrize("arguments", ["frobnicate", "ask", "search x --depth 3", "search x --mode fuzzy"])
def test_a_command_that_does_not_exist_would_be_noticed(arguments: str):
    with pytest.raises(typer.TyperException):
        parse(arguments.split())


def test_the_page_of_commands_has_every_option_of_every_command():
    common = {"--json", "--home", "--help"}
    assert common <= {cell for row in table(TEXTS["commands.md"], "Options of every command") for cell in row}
    for path, command in leaves():
        name = " ".join(path)
        written = TEXTS["commands.md"].split(f"\n## groundskeeper {name}\n", 1)[1].split("\n## ", 1)[0]
        options = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
        missing = {flag for flag in options - common if flag.startswith("--") and f"`{flag}`" not in written}
        assert missing == set(), name


def test_the_page_of_commands_has_every_target_of_make():
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)) - {"help"}
    assert len(targets) >= 4
    assert {row[0].removeprefix("make ") for row in table(TEXTS["commands.md"], "Targets of make")} == targets


QUOTE = re.compile(r"^\[\d+\] (\S+), characters (\d+) to (\d+):\n +(.+)$", re.MULTILINE)


def test_the_quotes_that_the_readme_shows_stand_where_it_says():
    quotes = QUOTE.findall((ROOT / "README.md").read_text("utf-8"))
    assert quotes
    for path, start, end, quoted in quotes:
        assert (ROOT / path).read_text("utf-8")[int(start) : int(end)] == quoted


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_every_target_of_make_that_is_shown_exists(page: Path):
    text = page.read_text("utf-8")
    shown = re.findall(r"^ *(?:\w+=\S+ )*make (\w+)", text, re.MULTILINE) + re.findall(r"`make (\w+)", text)
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert shown or page.name not in {"README.md", "CONTRIBUTING.md", "install.md"}
    assert set(shown) <= set(targets)


def test_every_setting_is_listed_with_its_default_and_its_bounds():
    rows = {row[0]: row for row in table(TEXTS["settings.md"], "All settings")}
    assert rows.keys() == Settings.model_fields.keys()
    for name, field in Settings.model_fields.items():
        _, _, bounds, default, _ = rows[name]
        shown = {"None": "unset", "()": "[]", "False": "false"}.get(str(field.default), str(field.default))
        assert default == shown, name
        limits = [
            str(limit) for rule in field.metadata for limit in (getattr(rule, "ge", None), getattr(rule, "le", None))
        ]
        assert bounds == " to ".join(limit for limit in limits if limit != "None"), name


def test_every_field_of_a_source_is_listed():
    rows = {row[0]: row[2] for row in table(TEXTS["settings.md"], "Fields of a source")}
    defaults = {name: field.default for name, field in SourceSettings.model_fields.items()}
    assert rows == {name: "" if default is PydanticUndefined else default for name, default in defaults.items()}


@each_page
def test_every_variable_that_is_named_exists(page: Path):
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    assert set(re.findall(rf"{PREFIX}\w+", page.read_text("utf-8"))) <= known


def test_variables_are_named_at_all():
    assert sum(text.count(PREFIX) for text in TEXTS.values()) > 5


def keys(settings: type[BaseModel], path: str = "") -> Iterator[str]:
    """The keys of a YAML file, those of a table below it with its name before them."""
    for name, field in settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys(field.annotation, f"{path}{name}.")
        else:
            yield path + name


def test_every_key_of_a_recipe_is_listed():
    listed = [
        sorted(name.strip() for row in table(TEXTS["retraining.md"], heading) for name in row[0].split(","))
        for heading in ("Recipes", "The recipe of the reranker")
    ]
    assert listed == [sorted(keys(Recipe)), sorted(set(keys(RerankRecipe)) - set(keys(Recipe)))]
    assert "lora.rank" in listed[0]


def test_every_kind_of_error_is_listed_with_its_exit_code():
    cells = [line.strip("|").split("|") for line in TEXTS["errors.md"].splitlines() if line.startswith("| `")]
    listed = [(row[0].strip(" `"), int(row[-1])) for row in cells]
    assert len(listed) == len(dict(listed)), "a kind is listed twice"
    assert dict(listed) == {**EXIT_CODES, "usage": MENDABLE, "interrupted": INTERRUPTED}


def test_every_kind_of_error_that_another_page_names_exists():
    named = [kind for text in TEXTS.values() for kind in re.findall(r"error `(\w+)`", text)]
    assert len(named) > 10
    assert set(named) <= EXIT_CODES.keys()


@pytest.mark.parametrize(
    ("heading", "fields"),
    [
        ("Fields of an answer", Answer.model_fields.keys()),
        ("Fields of a citation", Citation.model_fields.keys()),
        ("Fields of the versions", Versions.model_fields.keys()),
    ],
)
def test_every_field_of_an_answer_is_explained(heading: str, fields: set[str]):
    rows = table(TEXTS["searching-and-asking.md"], heading)
    assert [name.strip() for row in rows for name in row[0].split(",")] == list(fields)


def test_the_threshold_of_the_support_check_is_the_one_in_use():
    (dropped,) = re.findall(r"A sentence below (\S+) is dropped", TEXTS["citations.md"])
    meanings = {row[0]: row[1] for row in table(TEXTS["searching-and-asking.md"], "Fields of a citation")}
    (least,) = re.findall(r"from (\S+) to 1$", meanings["support"])
    assert float(dropped) == float(least) == SUPPORT_THRESHOLD


def test_the_answer_that_is_shown_is_an_answer():
    shown = [block for block in blocks(TEXTS["searching-and-asking.md"], "json") if "answer_id" in block]
    (answer,) = (Answer.model_validate_json(block) for block in shown)
    assert [answer.text[c.answer_start : c.answer_end] for c in answer.citations] == [answer.text]
    assert answer.versions.adapters.keys() == set(Behaviour)


@pytest.mark.models
def test_the_contract_that_is_shown_is_that_of_the_embedded_base_model(base_model: ModelFolder):
    contract = contract_digest(open_template(base_model.path))
    pages = "".join([*TEXTS.values(), (ROOT / "README.md").read_text("utf-8")])
    shown = re.findall(r"contract\W{1,4}([0-9a-f]{12,64})\b", pages)
    assert len(shown) >= 2
    assert [digest for digest in shown if not contract.startswith(digest)] == []


def test_every_reason_to_refuse_is_listed_with_its_sentence():
    rows = table(TEXTS["searching-and-asking.md"], "Why a question is refused")
    assert {row[0]: row[2] for row in rows} == {reason.value: refusal_text(reason) for reason in Reason}


def test_what_is_planned_stands_on_the_roadmap_alone():
    assert not {path[0] for path, _ in leaves()} & set(PLANNED), "no longer planned: write its documentation"
    for name, text in TEXTS.items():
        assert re.findall(rf"groundskeeper (?:{'|'.join(PLANNED)})\b", text) == [], name
        if name != "roadmap.md":
            assert re.findall(r"vLLM|/v1/|chat page", text) == [], name


def test_the_roadmap_names_what_is_planned():
    assert all(word in TEXTS["roadmap.md"] for word in ("vLLM", "chat page"))
