"""Rules of form that a linter does not know."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.architecture.tree import PACKAGES, ROOT, Module, imports, imports_at_import_time, modules

MODULES = modules()
HEAVY = {
    "accelerate", "datasets", "docx", "fastapi", "gguf", "llama_index", "numpy", "pandas", "peft", "prefect", "pypdf",
    "qdrant_client", "qdrant_edge", "ragas", "sentence_transformers", "sqlalchemy", "torch", "transformers", "trl",
}  # fmt: skip
PREFECT_HOME = "flows.scheduled"

WORLDLY = {
    "asyncio", "builtins", "ctypes", "datetime", "http", "importlib", "io", "logging", "multiprocessing", "os",
    "pathlib", "random", "secrets", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile",
    "threading", "time", "urllib", "uuid",
}  # fmt: skip
"""Of the standard library: files, clock, chance, network, processes."""
PURE = (sys.stdlib_module_names - WORLDLY) | {"jinja2", "pydantic"}

each_module = pytest.mark.parametrize("module", MODULES, ids=str)


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def roots(tree: ast.AST) -> set[str]:
    """Top-level modules that are imported anywhere."""
    return {name.partition(".")[0] for name in imports(tree)}


def worldly(tree: ast.AST) -> set[str]:
    """What a pure module may not use: imports beyond the pure ones and the interface itself, and `open`."""
    foreign = {name for name in imports(tree) if name.partition(".")[0] not in PURE}
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return {name for name in foreign if not f"{name}.".startswith("serving.interface.")} | (called & {"open", "input"})


def environment(tree: ast.AST) -> list[str]:
    """Ways to the environment that are taken."""
    reached = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    return [name for name in (*reached, *imported) if name in {"environ", "environb", "getenv"}]


def caught_broadly(tree: ast.AST) -> list[int]:
    """Lines of handlers that catch everything and go on."""
    handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]
    return [node.lineno for node in handlers if _is_broad(node.type) and not _ends_by_raising(node)]


def _is_broad(caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(_is_broad(part) for part in caught.elts)
    name = getattr(caught, "id", getattr(caught, "attr", ""))
    return caught is None or name in {"Exception", "BaseException"}


def _ends_by_raising(handler: ast.ExceptHandler) -> bool:
    """Cleaning up and raising is allowed: the error does not vanish."""
    return isinstance(handler.body[-1], ast.Raise)


def test_the_scan_sees_the_house():
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"} == set(PACKAGES)
    assert len(MODULES) > 40
    assert sum(1 for module in MODULES for _ in functions(module)) > 200


@each_module
def test_a_module_opens_with_its_purpose_and_stays_within_350_lines(module: Module):
    assert ast.get_docstring(module.tree), "no docstring"
    assert len(module.text.splitlines()) <= 350


@each_module
def test_no_function_is_longer_than_60_lines(module: Module):
    assert [
        function.name for function in functions(module) if (function.end_lineno or 0) - function.lineno + 1 > 60
    ] == []


@each_module
def test_what_a_module_promises_is_what_it_shows(module: Module):
    promised = [
        ast.literal_eval(node.value)
        for node in module.tree.body
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == "__all__" for to in node.targets)
    ]
    if not promised:
        assert module.path.name == "__init__.py", "a module with code says in __all__ what is public"
        return
    defined = {
        node.name
        for node in module.tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }
    assert defined <= set(promised[0]), "public, but not promised"


@each_module
def test_importing_a_module_loads_no_heavy_library(module: Module):
    if module.name.startswith(PREFECT_HOME):
        return
    assert {name.split(".")[0] for name in imports_at_import_time(module)} & HEAVY == set()


@each_module
def test_qdrant_is_known_in_the_store_alone(module: Module):
    if not module.name.startswith("retrieval.store"):
        assert [name for name in imports(module.tree) if name.startswith("qdrant")] == []


def test_qdrant_is_used_at_all():
    assert any(name.startswith("qdrant") for module in MODULES for name in imports(module.tree))


@each_module
def test_ragas_is_known_in_one_module_of_tuning_at_most(module: Module):
    if any(name.split(".")[0] == "ragas" for name in imports(module.tree)):
        assert module.name == "tuning.judges"


@each_module
def test_prefect_is_known_in_the_scheduled_flows_alone(module: Module):
    if not module.name.startswith(PREFECT_HOME):
        assert "prefect" not in roots(module.tree)


def test_prefect_is_used_at_all():
    assert any("prefect" in roots(module.tree) for module in MODULES)


@each_module
def test_the_interface_imports_nothing_that_touches_the_world(module: Module):
    if module.name.startswith("serving.interface"):
        assert worldly(module.tree) == set()


@each_module
def test_only_flows_reads_the_environment(module: Module):
    assert environment(module.tree) == [] or module.name.startswith("flows.")


@each_module
def test_prompts_and_roles_are_written_in_the_interface_alone(module: Module):
    if module.name.startswith("serving.interface"):
        return
    keys = [
        key.value
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    ]
    assert "role" not in keys
    texts = [
        node.value for node in ast.walk(module.tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert [text for text in texts if '"role"' in text or "<|im_" in text] == []


@each_module
def test_nobody_catches_everything(module: Module):
    assert caught_broadly(module.tree) == []


BREACHES = {
    "from pathlib import Path": worldly,
    "import yaml": worldly,
    "import random": worldly,
    "import serving.registry.models": worldly,
    "open('prompt.txt')": worldly,
    "import os\nos.environ['HOME']": environment,
    "from os import environ": environment,
    "from os import getenv as get": environment,
    "try: f()\nexcept: pass": caught_broadly,
    "try: f()\nexcept Exception: pass": caught_broadly,
    "try: f()\nexcept (ValueError, Exception): pass": caught_broadly,
    "import builtins\ntry: f()\nexcept builtins.BaseException: pass": caught_broadly,
}


@pytest.mark.parametrize(("source", "rule"), BREACHES.items(), ids=BREACHES)
def test_a_rule_sees_what_breaks_it(source: str, rule: Callable[[ast.AST], object]):
    assert rule(ast.parse(source))
