"""Every error that a user meets has a kind, a place in a drawn tree and an exit code."""

from __future__ import annotations

import importlib
import inspect

import pytest

from flows.exit_codes import EXIT_CODES
from serving.interface.errors import GroundskeeperError
from tests.architecture.tree import modules

ERROR_MODULES = [importlib.import_module(module.name) for module in modules() if module.path.name == "errors.py"]


def tree(root: type[GroundskeeperError]) -> list[type[GroundskeeperError]]:
    return [root, *(below for child in root.__subclasses__() for below in tree(child))]


ERRORS = tree(GroundskeeperError)


def test_the_scan_sees_the_rooms():
    assert {module.__name__ for module in ERROR_MODULES} >= {
        "flows.errors",
        "retrieval.errors",
        "serving.interface.errors",
        "serving.registry.errors",
        "tuning.errors",
    }
    assert len(ERRORS) > 20


def test_every_kind_has_an_exit_code_and_every_exit_code_a_kind():
    assert {error.kind for error in ERRORS} == EXIT_CODES.keys()
    assert set(EXIT_CODES.values()) == {1, 2}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_names_its_own_kind_and_stands_in_the_tree_of_its_module(error: type[GroundskeeperError]):
    assert "kind" in vars(error), "the kind is inherited, so the error cannot be told from its parent"
    home = inspect.getmodule(error)
    assert home in ERROR_MODULES, "errors live in a module errors.py"
    assert f"─ {error.__name__} " in f"{home.__doc__}\n".replace("\n", " \n") or error is GroundskeeperError


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_cannot_be_raised_without_a_remedy(error: type[GroundskeeperError]):
    parameters = inspect.signature(error).parameters
    assert "remedy" in parameters or "remedy=" in inspect.getsource(error.__init__)


def test_only_deliberate_neighbours_share_a_kind():
    kinds: dict[str, list[str]] = {}
    for error in ERRORS:
        kinds.setdefault(error.kind, []).append(error.__name__)
    shared = {kind: names for kind, names in kinds.items() if len(names) > 1}
    assert shared == {"disk_full": ["DiskFull", "ModelStorageFull"]} or shared == {
        "disk_full": ["ModelStorageFull", "DiskFull"]
    }
