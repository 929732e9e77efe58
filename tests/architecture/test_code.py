"""Rules of form that a linter does not know."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.tree import Module, imports, imports_at_import_time, modules

MODULES = modules()
HEAVY = {
    "accelerate", "datasets", "docx", "fastapi", "gguf", "llama_index", "numpy", "pandas", "peft", "prefect", "pypdf",
    "qdrant_client", "qdrant_edge", "ragas", "sentence_transformers", "sqlalchemy", "torch", "transformers", "trl",
}  # fmt: skip
PREFECT_HOME = "flows.scheduled"

each_module = pytest.mark.parametrize("module", MODULES, ids=str)


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_the_scan_sees_the_house():
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
def test_only_the_settings_read_the_environment(module: Module):
    touched = [
        node.attr
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    ]
    assert touched == [] or module.name.startswith("flows."), touched


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
    broad = [
        node.lineno
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
        and not _ends_by_raising(node)
    ]
    assert broad == []


def _ends_by_raising(handler: ast.ExceptHandler) -> bool:
    """Cleaning up and raising is allowed: the error does not vanish."""
    return isinstance(handler.body[-1], ast.Raise)
