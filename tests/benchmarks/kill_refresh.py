"""Kills refreshes with SIGKILL while a reader runs, and says what was served and what the next run did.

    python -m tests.benchmarks.kill_refresh [--kills 10] [--documents 60] [--seed 0]
                                            [--embedder FOLDER] [--out kills.json]

Each round edits the documents (edits, an addition, a deletion, a rename), builds what they should become in a
second index from scratch, kills a refresh, looks at what is served, refreshes again and compares with the
scratch index in every payload and vector. Two rounds in three kill between two operations on the disk,
spread over the kinds of operations from the first write to the pointer's switch; every third kills by the clock,
anywhere, the engine included.
A last round kills while old shards are removed, after the switch. The reader follows through all rounds; each
state that it sees must be one of the whole ones. Exits 1 if anything else happened, or if fewer than eight in ten
of the first rounds died between the first write and the switch. The embedder is the readable one of the tests
unless `--embedder` names a folder: then vectors are compared within 1e-6, which is how far it repeats itself.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from retrieval.refresh import KEEP_SHARDS
from retrieval.store.protocol import PassagePoint
from tests.retrieval.killing import POINTER, RETIRE, Operation, are_equal, operations, run_refresh, served, start
from tests.retrieval.readable import House

_SHARE_BEFORE_THE_SWITCH = 0.8
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

    @property
    def is_good(self) -> bool:
        allowed = {"old"} if self.operation < self.window else {"old", "new"}
        return self.equals_rebuild and self.served in allowed


@dataclass(frozen=True)
class Report:
    """All rounds, and the reader's view of them."""

    kills: list[Kill]
    states_seen: int
    """By the reader, from the first generation to the last."""
    states_not_whole: int
    reader_exit: int

    retiring: Kill
    """The last round."""

    @property
    def before_the_switch(self) -> float:
        """Share of the kills that struck after the first write began and left the pointer where it was."""
        early = [kill for kill in self.kills if kill.served == "old"]
        return len(early) / len(self.kills) if self.kills else 0.0

    @property
    def is_good(self) -> bool:
        rounds = all(kill.is_good for kill in (*self.kills, self.retiring))
        retired = self.retiring.at == RETIRE and self.retiring.served == "new"
        reader = self.states_seen > 1 and self.states_not_whole == 0 and self.reader_exit == 0
        return rounds and retired and reader and self.before_the_switch >= _SHARE_BEFORE_THE_SWITCH


@dataclass(frozen=True)
class Rehearsal:
    """What a round's refresh does when nobody kills it."""

    digest: str
    """Of an index built from scratch from the same documents."""
    points: Mapping[str, PassagePoint]
    """What that index holds."""
    operations: Sequence[Operation]

    @property
    def window(self) -> int:
        """Operations from the first write up to the pointer's switch."""
        return [operation.name for operation in self.operations].index(POINTER) + 1

    @property
    def retirement(self) -> int:
        """The operation (1 is the first) that removes an old shard; there must be one to remove."""
        return [operation.name for operation in self.operations].index(RETIRE) + 1

    def pick(self, moment: float, chance: random.Random) -> int:
        """An operation (1 is the first) of the window, `moment` 0 to 1 into its kinds: a hundred syncs are one."""
        kinds = [operation.name.split()[0] for operation in self.operations[: self.window]]
        runs = [[at for at, _ in run] for _, run in groupby(enumerate(kinds, start=1), key=lambda pair: pair[1])]
        return chance.choice(runs[int(moment * len(runs))])


def kill_refreshes(root: Path, *, kills: int, documents: int, seed: int, embedder: Path | None = None) -> Report:
    """Run all rounds under `root`; the same seed makes the same edits and the same counted kills."""
    chance, house, whole = random.Random(seed), House(root / "lived", embedder=embedder), set[str]()
    for number in range(documents):
        house.write(f"{number}.md", _page(chance))
    house.refresh()
    with start(house, "follow", house.root) as reader:
        done = [_round(house, chance, number / kills, 1 / kills, number % 3 == 2, whole) for number in range(kills)]
        retiring = _retiring_round(house, chance, whole)
        seen, _ = reader.communicate(timeout=120)  # closes the reader's input, which ends it
    states = seen.splitlines()
    return Report(done, len(states), sum(state not in whole for state in states), reader.returncode, retiring)


def _round(house: House, chance: random.Random, begin: float, share: float, by_clock: bool, whole: set[str]) -> Kill:
    """Edit, rehearse, kill within the given share of the window, look, refresh again, compare."""
    old = served(house)
    _edit(house, chance)
    rehearsal, moment = _rehearse(house), begin + share * chance.random()
    if by_clock:
        strike = {"kill_after": moment * rehearsal.operations[rehearsal.window - 1].seconds}
    else:
        strike = {"kill_at": rehearsal.pick(moment, chance)}
    return _kill(house, old, rehearsal, strike, whole)


def _retiring_round(house: House, chance: random.Random, whole: set[str]) -> Kill:
    """Make generations until the next refresh will retire one, and kill it there."""
    while len([*house.index_root.glob("generations/*/shard")]) < KEEP_SHARDS:
        _edit(house, chance)
        house.refresh()
        whole.add(served(house))
    old = served(house)
    _edit(house, chance)
    rehearsal = _rehearse(house)
    return _kill(house, old, rehearsal, {"kill_at": rehearsal.retirement}, whole)


def _kill(house: House, old: str, rehearsal: Rehearsal, strike: dict[str, Any], whole: set[str]) -> Kill:
    log = house.root.parent / "operations.log"
    status = run_refresh(house, log, **strike)
    begun, after = operations(log), served(house)
    result = house.refresh()
    final = served(house)
    whole |= {old, after, final}
    return Kill(
        how="too late" if status == 0 else "by the clock" if "kill_after" in strike else "counted",
        at=begun[-1].name,
        operation=len(begun),
        window=rehearsal.window,
        served="old" if after == old else "new" if after.split()[1] == rehearsal.digest else "NEITHER",
        next_generation=result.generation or 0,
        encoder_calls_left=result.encoder_calls,
        equals_rebuild=are_equal(house.points(), rehearsal.points, house),
    )


def _rehearse(house: House) -> Rehearsal:
    beside = house.root.parent
    scratch, double = (House(beside / name, house.docs, embedder=house.embedder) for name in ("scratch", "double"))
    for folder in (scratch.root, double.root):
        shutil.rmtree(folder, ignore_errors=True)
    scratch.refresh()
    shutil.copytree(house.index_root, double.index_root, ignore=shutil.ignore_patterns("readers"))
    shutil.copytree(house.texts_root, double.texts_root)
    log = house.root.parent / "rehearsal.log"
    run_refresh(double, log)
    return Rehearsal(served(scratch).split()[1], scratch.points(), operations(log))


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
    for number, kill in enumerate((*report.kills, report.retiring), start=1):
        place = f"{kill.operation}/{kill.window} {kill.at}"[:26]
        rows.append(
            f"{number:>4} {kill.how:<13} {place:<26} {kill.served:<7} {kill.next_generation:>8}  "
            f"{kill.encoder_calls_left:>14}  {'yes' if kill.equals_rebuild else 'NO':>14}"
        )
    rows.append(f"{report.before_the_switch:.0%} of the first {len(report.kills)} died before the switch.")
    rows.append(f"The reader saw {report.states_seen} states; {report.states_not_whole} of them were not whole.")
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--documents", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--embedder", type=Path, help="folder of a sentence-transformers model")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = kill_refreshes(
            Path(folder), kills=given.kills, documents=given.documents, seed=given.seed, embedder=given.embedder
        )
    sys.stdout.write(f"{_table(report)}\n")
    if given.out is not None:
        given.out.write_text(json.dumps({"good": report.is_good, **asdict(report)}, indent=1, ensure_ascii=False))
    return 0 if report.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
