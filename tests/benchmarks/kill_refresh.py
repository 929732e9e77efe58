"""Kills refreshes with SIGKILL while a reader runs, and says what was served and what the next run did.

    python -m tests.benchmarks.kill_refresh [--kills 10] [--documents 60] [--seed 0] [--out kills.json]

Each round edits the documents (edits, an addition, a deletion, a rename), builds what they should become in a
second index from scratch, kills a refresh, looks at what is served, refreshes again and compares with the
scratch index in every payload and vector. Two rounds in three kill between two operations on the disk,
spread over the kinds of operations from the first write to the pointer's switch; every third kills by the clock,
anywhere, the engine included.
The reader follows through all rounds; each state that it sees must be one of the whole ones. Exits 1 if anything
else happened. The embedder is the readable one of the tests: the mechanics of the index are real.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from tests.retrieval.killing import POINTER, Operation, operations, run_refresh, served, start
from tests.retrieval.readable import House

WORDS = "red green blue apples pears berries kettle teapot garden rain 🌱 naïve".split()


@dataclass(frozen=True)
class Kill:
    """One killed refresh and what followed."""

    how: str
    at: str
    """The operation that was about to begin, or under way when the clock struck."""
    operation: int
    window: int
    """Operations from the first write up to the pointer's switch, which is the last."""
    served: str
    """`old`, `new` or `NEITHER`."""
    next_generation: int
    encoder_calls_left: int
    """Texts the next run still had to encode."""
    equals_rebuild: bool


@dataclass(frozen=True)
class Report:
    """All rounds, and the reader's view of them."""

    kills: list[Kill]
    states_seen: int
    """By the reader, from the first generation to the last."""
    states_not_whole: int
    reader_exit: int

    @property
    def is_good(self) -> bool:
        rounds = all(kill.equals_rebuild and kill.served != "NEITHER" for kill in self.kills)
        return rounds and self.states_not_whole == 0 and self.reader_exit == 0


@dataclass(frozen=True)
class Rehearsal:
    """What a round's refresh does when nobody kills it."""

    digest: str
    """Of an index built from scratch from the same documents."""
    operations: Sequence[Operation]

    @property
    def window(self) -> int:
        """Operations from the first write up to the pointer's switch."""
        return [operation.name for operation in self.operations].index(POINTER) + 1

    def pick(self, moment: float, chance: random.Random) -> int:
        """An operation (1 is the first) of the window, `moment` 0 to 1 into its kinds: a hundred syncs are one."""
        kinds = [operation.name.split()[0] for operation in self.operations[: self.window]]
        runs = [[at for at, _ in run] for _, run in groupby(enumerate(kinds, start=1), key=lambda pair: pair[1])]
        return chance.choice(runs[int(moment * len(runs))])


def kill_refreshes(root: Path, *, kills: int, documents: int, seed: int) -> Report:
    """Run all rounds under `root`; the same seed makes the same edits and the same counted kills."""
    chance, house, whole = random.Random(seed), House(root / "lived"), set[str]()
    for number in range(documents):
        house.write(f"{number}.md", _page(chance))
    house.refresh()
    with start("follow", house.root) as reader:
        done = [_round(house, chance, number / kills, 1 / kills, number % 3 == 2, whole) for number in range(kills)]
        seen, _ = reader.communicate(timeout=120)  # closes the reader's input, which ends it
    states = seen.splitlines()
    return Report(done, len(states), sum(state not in whole for state in states), reader.returncode)


def _round(house: House, chance: random.Random, begin: float, share: float, by_clock: bool, whole: set[str]) -> Kill:
    """Edit, rehearse, kill within the given share of the window, look, refresh again, compare."""
    root, old = house.root.parent, served(house)
    _edit(house, chance)
    rehearsal, log = _rehearse(house), root / "operations.log"
    moment = begin + share * chance.random()
    if by_clock:
        status = run_refresh(house, log, kill_after=moment * rehearsal.operations[rehearsal.window - 1].seconds)
    else:
        status = run_refresh(house, log, kill_at=rehearsal.pick(moment, chance))
    begun, after = operations(log), served(house)
    result = house.refresh()
    final = served(house)
    whole |= {old, after, final}
    return Kill(
        how="too late" if status == 0 else "by the clock" if by_clock else "counted",
        at=begun[-1].name,
        operation=len(begun),
        window=rehearsal.window,
        served="old" if after == old else "new" if after.split()[1] == rehearsal.digest else "NEITHER",
        next_generation=result.generation or 0,
        encoder_calls_left=result.encoder_calls,
        equals_rebuild=final.split()[1] == rehearsal.digest,
    )


def _rehearse(house: House) -> Rehearsal:
    scratch, double = House(house.root.parent / "scratch", house.docs), House(house.root.parent / "double", house.docs)
    for folder in (scratch.root, double.root):
        shutil.rmtree(folder, ignore_errors=True)
    scratch.refresh()
    shutil.copytree(house.index_root, double.index_root, ignore=shutil.ignore_patterns("readers"))
    shutil.copytree(house.texts_root, double.texts_root)
    log = house.root.parent / "rehearsal.log"
    run_refresh(double, log)
    return Rehearsal(served(scratch).split()[1], operations(log))


def _edit(house: House, chance: random.Random) -> None:
    """A third of the pages rewritten, one added, one deleted, one renamed."""
    pages = sorted(path.name for path in house.docs.iterdir())
    chosen = chance.sample(pages, max(3, len(pages) // 3))
    (house.docs / chosen[0]).unlink()
    (house.docs / chosen[1]).rename(house.docs / f"renamed-{chosen[1]}")
    for name in [*chosen[2:], f"added-{chance.randrange(10**6)}.md"]:
        house.write(name, _page(chance))


def _page(chance: random.Random) -> str:
    return "\n\n".join(" ".join(chance.choices(WORDS, k=20)) for _ in range(5))


def _table(report: Report) -> str:
    rows = ["kill how           at operation               served  next run  left to encode  equals rebuild"]
    for number, kill in enumerate(report.kills, start=1):
        place = f"{kill.operation}/{kill.window} {kill.at}"[:26]
        rows.append(
            f"{number:>4} {kill.how:<13} {place:<26} {kill.served:<7} {kill.next_generation:>8}  "
            f"{kill.encoder_calls_left:>14}  {'yes' if kill.equals_rebuild else 'NO':>14}"
        )
    rows.append(f"The reader saw {report.states_seen} states; {report.states_not_whole} of them were not whole.")
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--documents", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = kill_refreshes(Path(folder), kills=given.kills, documents=given.documents, seed=given.seed)
    sys.stdout.write(f"{_table(report)}\n")
    if given.out is not None:
        given.out.write_text(json.dumps({"good": report.is_good, **asdict(report)}, indent=1, ensure_ascii=False))
    return 0 if report.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
