"""Kills a retraining with SIGKILL, again and again, and says what was left and what the next run did.

    python -m tests.benchmarks.kill_retrain [--kills 10] [--rows 120] [--seed 0] [--out kills.json]

A real retraining of the refusal adapter, on the project's own rows, by the command that users type; only the gate's
least numbers of rows are lower. One run is left alone; the other is killed each time some seconds after it has gone on,
by one more checkpoint while it trains and by one more answer while it is judged. A run that ended before it could be
killed does not count as killed. After each kill the registry must hold nothing that is not whole; the adapter that is
registered at the end must be the one of the run that was left alone, byte for byte. Exits 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import say
from tests.small_retraining import write_small_retraining

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Kill:
    """One killed run and what it left."""

    seconds: float
    """After its start."""
    struck: bool
    """Whether it was still running."""
    checkpoints: int
    """Whole ones, afterwards."""
    newest: int
    """Step of the newest whole checkpoint, 0 if there is none."""
    registered: int
    """Adapters that the registry shows, afterwards: 0 until a kill strikes behind the registration."""
    sound: bool
    """Whether `adapters verify` finds nothing wrong."""

    @property
    def is_good(self) -> bool:
        return self.struck and self.sound


def main() -> int:
    given = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "no_starters").mkdir()
        # Whatever the registry shows came out of the runs.
        os.environ["GROUNDSKEEPER_STARTER"] = str(place / "no_starters")
        files = write_small_retraining(place, given.rows)
        say("A run that is left alone.")
        whole = _finish(place / "whole", files)
        kills = list(_kills(place / "killed", files, given.kills, random.Random(given.seed)))
        say("The run that was killed, to its end.")
        resumed = _finish(place / "killed", files)
    same = whole["version"] == resumed["version"]
    good = same and all(kill.is_good for kill in kills)
    result = {"kills": [asdict(kill) for kill in kills], "same_adapter": same, "version": whole["version"]}
    text = json.dumps(result, indent=1)
    if given.out:
        given.out.write_text(text + "\n", "utf-8")
    sys.stdout.write(text + "\n")
    return 0 if good else 1


def _kills(home: Path, files: Sequence[str], count: int, chance: random.Random) -> Iterator[Kill]:
    for number in range(count):
        process = _start(home, files)
        began = time.monotonic()
        _wait(process, home, chance.uniform(1, 6))
        struck = process.poll() is None
        process.kill()
        process.wait()
        kill = _look(home, time.monotonic() - began, struck)
        say(f"kill {number + 1}: after {kill.seconds:.0f} s, struck {struck}, step {kill.newest}, good {kill.is_good}")
        yield kill


def _wait(process: subprocess.Popen[bytes], home: Path, seconds: float) -> None:
    """Until the run has gone on, and some seconds more; at most until the process ends."""
    before = _traces(home)
    while process.poll() is None and _traces(home) == before:
        time.sleep(0.1)
    time.sleep(seconds if process.poll() is None else 0)


def _traces(home: Path) -> tuple[list[int], list[int]]:
    """What a run leaves as it goes on: its checkpoints while it trains, the answers while it is judged."""
    return _checkpoints(home), [path.stat().st_size for path in sorted(home.glob("runs/*/*/answers.sqlite"))]


def _look(home: Path, seconds: float, struck: bool) -> Kill:
    checkpoints = _checkpoints(home)
    listed = _run(home, "adapters", "list")
    registered = sum(entry["version"] is not None for entry in listed.get("adapters", []))
    code = subprocess.run(_command(home, "adapters", "verify"), cwd=ROOT, capture_output=True, check=False).returncode
    return Kill(round(seconds, 1), struck, len(checkpoints), max(checkpoints, default=0), registered, code == 0)


def _checkpoints(home: Path) -> list[int]:
    return sorted(int(path.parent.name.rpartition("-")[2]) for path in home.glob("runs/*/*/checkpoints/*/complete"))


def _finish(home: Path, files: Sequence[str]) -> dict[str, Any]:
    """The result of a run that goes to its end; a gate that says no is an end, too."""
    done = subprocess.run(_retrain(home, files), cwd=ROOT, stdout=subprocess.PIPE, check=False)
    result: dict[str, Any] = json.loads(done.stdout)
    if "version" not in result:
        raise SystemExit(f"the retraining ended with {done.returncode} and made no adapter")
    return result


def _start(home: Path, files: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(_retrain(home, files), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _run(home: Path, *words: str) -> dict[str, Any]:
    done = subprocess.run(_command(home, *words), cwd=ROOT, stdout=subprocess.PIPE, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _retrain(home: Path, files: Sequence[str]) -> list[str]:
    return _command(home, "retrain", "refusal", *files)


def _command(home: Path, *words: str) -> list[str]:
    return [str(Path(sys.executable).with_name("groundskeeper")), *words, "--home", str(home), "--json"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--rows", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
