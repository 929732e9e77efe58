"""What a command says: its result on standard output, everything else on standard error.

    with command(as_json) as console:
        console.note("Reading the source.")
        console.show({"generation": 3}, "Generation 3.", code=DONE)

With `--json` standard output is exactly one JSON document, an error's too. An error that the user can mend is one
line and its remedy; any other keeps its traceback.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

import typer

from flows.exit_codes import DONE, EXIT_CODES, INTERRUPTED
from serving.interface.errors import GroundskeeperError

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID
    from rich.status import Status

__all__ = ["Console", "command", "show_error", "visible"]

_STEERING = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"} | {
    code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
"""Control characters, and those that change the direction of writing."""


LOG_SECONDS = 60.0
"""Between two lines about one stage in a log."""
_MEMORY = 3600.0
"""Seconds of which a bar makes its rate; rich's own half minute is less than one step of a slow training."""


@dataclass
class _Logged:
    """A stage that a log hears of: where and when it was first met, how far it came, when the log last heard (s)."""

    first: int
    done: int
    at: float
    told: float


@contextmanager
def command(as_json: bool) -> Iterator[Console]:
    """The console of one command; turns errors that the user can mend into a message and an exit code."""
    console = Console(as_json)
    try:
        yield console
    except GroundskeeperError as error:
        raise _shown(error, console) from error
    except ImportError as error:
        from flows.extras import missing_extra

        missing = missing_extra(error)
        if missing is None:
            raise
        raise _shown(missing, console) from error
    except KeyboardInterrupt as stop:
        console.close()
        remedy = "Run the same command again; it takes up what was finished."
        show_error("interrupted", "Stopped. Nothing is half-written.", remedy, as_json)
        raise typer.Exit(INTERRUPTED) from stop
    finally:
        console.close()


def _shown(error: GroundskeeperError, console: Console) -> typer.Exit:
    console.close()
    show_error(error.kind, str(error), error.remedy, console.as_json)
    return typer.Exit(EXIT_CODES[error.kind])


def show_error(kind: str, message: str, remedy: str, as_json: bool) -> None:
    """One line what happened, one line what to do next."""
    if as_json:
        _write_json({"error": {"kind": kind, "message": message, "remedy": remedy}})
    typer.echo(visible(f"error: {message}\n  {remedy}"), err=True)


def visible(text: str) -> str:
    """Text for a terminal: what would steer it, or turn its writing round, is written out, as is half a character."""
    return text.replace("\r\n", "\n").translate(_STEERING).encode("utf-8", "backslashreplace").decode()


class Console:
    """The mouth of one command. Bars and stages appear on a terminal only; a log gets a line a minute instead."""

    def __init__(self, as_json: bool, clock: Callable[[], float] = monotonic) -> None:
        self.as_json, self._clock = as_json, clock
        self._bar: Progress | None = None
        self._stages: dict[str, TaskID] = {}
        self._logged: dict[str, _Logged] = {}
        self._status: Status | None = None
        self._midline = False

    def show(self, document: Mapping[str, Any], text: str, *, code: int = DONE) -> None:
        """The result; ends the command with `code` when that is not 0."""
        self.close()
        if self.as_json:
            _write_json(document)
        else:
            typer.echo(visible(text))
        if code != DONE:
            raise typer.Exit(code)

    def say(self, text: str, *, end: str = "\n") -> None:
        """A piece of the result, as it comes; silent with `--json`, whose document is whole."""
        self.close()
        if not self.as_json:
            typer.echo(visible(text) + end, nl=False)
            self._midline = not end.endswith("\n")

    def note(self, text: str) -> None:
        """Something by the way, on standard error."""
        self.close()
        typer.echo(visible(text), err=True)

    def progress(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` units of `stage`: a bar on a terminal, elsewhere now and then a line.

        What follows a comma may change from call to call, as a loss does: it is one bar.
        """
        name = stage.partition(",")[0]
        if self._bar is None and not sys.stderr.isatty():  # an open bar stands in for stderr, and is no terminal
            self._log(name, stage, done, total)
            return
        bar = self._bar or self._open_bar()
        if name not in self._stages:
            self._stages[name] = bar.add_task(stage, total=total)
        bar.update(self._stages[name], description=stage, completed=done, total=total)

    def stage(self, name: str) -> None:
        """What is being done now, of which nobody knows how long it takes; drawn on a terminal, silent elsewhere."""
        self.close()
        if sys.stderr.isatty() and not self._midline:  # drawing would take the begun line away
            from rich import console

            self._status = console.Console(stderr=True).status(f"{name} ...")
            self._status.start()

    def close(self) -> None:
        """Takes bar and stage away, so that nothing is printed through them."""
        if self._bar is not None:
            self._bar.stop()
            self._bar, self._stages = None, {}
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _log(self, name: str, stage: str, done: int, total: int) -> None:
        now = self._clock()
        met = self._logged.get(name)
        if met is None or done < met.done:  # a stage that comes again begins anew
            self._logged[name] = _Logged(done, done, now, now)
            return
        met.done = done
        if now - met.told >= LOG_SECONDS and done > met.first:
            met.told = now
            speed = (done - met.first) / (now - met.at)
            left = (total - done) / speed / 60
            text = f"{left:.0f} min left" if left >= 1 else "under a minute left"
            typer.echo(f"{visible(stage)}: {done} of {total}, {_rate(speed)}, {text}", err=True)

    def _open_bar(self) -> Progress:
        from rich import console, progress

        bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            _rate_column(),
            progress.TimeRemainingColumn(),
            console=console.Console(stderr=True),
            transient=True,
            speed_estimate_period=_MEMORY,
        )
        bar.start()
        self._bar = bar
        return bar


def _rate_column() -> ProgressColumn:
    """How fast it goes, once that is known; rich tells it of unknown totals only."""
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(_rate(speed) if speed else "")

    return Rate()


def _rate(speed: float) -> str:
    return f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each"


def _write_json(document: Mapping[str, Any]) -> None:
    """Half characters, as names of files may hold, become JSON's own escapes."""
    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    typer.echo(text.encode("utf-8", "backslashreplace").decode())
