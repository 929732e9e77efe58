"""Kills a piece of work with SIGKILL at every place where it could be killed, each time in a process of its own.

    found = moments(work, steps)
    for moment in once_each(found): kill_at(moment, work, steps)

Two ways to count. `lines`: before every line of the registry's own code. `steps`: before everything that the operating
system is asked to do with files, by whomever (Python's audit events, and fsync, which has none), so also inside of
libraries.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import serving.registry

Note = Callable[[str], None]
Counting = Callable[[Note], None]

_HOME = str(Path(serving.registry.__file__).parent)


def lines(note: Note) -> None:
    """Count every line that runs in `serving/registry`, by its place; one that runs again counts again."""

    def trace(frame: Any, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(_HOME):
            return None
        if event == "line":
            note(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")
        return trace

    sys.settrace(trace)


def steps(note: Note) -> None:
    """Count every operation on files."""
    sync = os.fsync

    def noted_sync(descriptor: int) -> None:
        note(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink()}")
        sync(descriptor)

    os.fsync = noted_sync
    sys.addaudithook(lambda event, arguments: note(_told(event, arguments)) if _is_of_files(event) else None)


def moments(work: Callable[[], object], counting: Counting) -> list[str]:
    """What is counted in one whole run, in order. The run happens in another process, but for good."""
    reading, writing = os.pipe()
    with _child() as child:
        if child == 0:
            counting(lambda name: _write(writing, f"{name}\n".encode()))
            work()
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as file:
            return file.read().decode("utf-8", "replace").splitlines()


def once_each(found: list[str]) -> list[int]:
    """Where each moment comes for the first time: what repeats itself repeats its consequences."""
    return sorted({name: index for index, name in reversed(list(enumerate(found)))}.values())


def kill_at(moment: int, work: Callable[[], object], counting: Counting) -> bool:
    """Run `work` and kill it right before its `moment`-th, from 0; answers whether it came that far."""
    left = moment

    def note(_: str) -> None:
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    with _child() as child:
        if child == 0:
            counting(note)
            work()
            os._exit(0)
        _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


@contextmanager
def _child() -> Iterator[int]:
    """A fork; whatever happens in the child, it ends there."""
    child = os.fork()
    try:
        yield child
    finally:
        if child == 0:
            os._exit(1)


def _is_of_files(event: str) -> bool:
    return event.startswith(("open", "os.", "shutil.", "fcntl.")) and event not in {"os.kill", "os.fork"}


def _write(descriptor: int, content: bytes) -> None:
    os.write(descriptor, content)


def _told(event: str, arguments: tuple[Any, ...]) -> str:
    return " ".join([event, *(str(argument) for argument in arguments if isinstance(argument, str | Path))])
