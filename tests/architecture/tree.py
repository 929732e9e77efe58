"""What the architecture tests look at: the packages' modules, parsed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("flows", "retrieval", "serving", "tuning")


@dataclass(frozen=True)
class Module:
    """One source file of a package."""

    path: Path
    """Relative to the project's root."""
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        return ".".join(self.path.with_suffix("").parts).removesuffix(".__init__")

    def __str__(self) -> str:
        return str(self.path)


def modules() -> list[Module]:
    """All modules of the four packages, sorted; fails when a package seems empty, since then nothing is checked."""
    found = []
    for package in PACKAGES:
        paths = sorted((ROOT / package).rglob("*.py"))
        assert paths, f"{package} has no modules"
        for path in paths:
            text = path.read_text("utf-8")
            found.append(Module(path.relative_to(ROOT), text, ast.parse(text)))
    return found


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported anywhere below `tree`, in full."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def imports_at_import_time(module: Module) -> Iterator[str]:
    """What importing the module imports: statements outside functions and outside `if TYPE_CHECKING`."""
    waiting: list[ast.AST] = list(module.tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imports(ast.Module([node], []))
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not _for_types_only(node):
            waiting.extend(ast.iter_child_nodes(node))


def _for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
