"""Which of many texts are nearly the same: shingles of characters, MinHash with banding, then the exact measure.

    for left, right in near_pairs(texts, least=0.8): ...

The similarity of two texts is that of Jaccard between the sets of their runs of five characters (Broder, "On the
resemblance and containment of documents", 1997). Banding finds a pair of similarity 0.8 with probability 0.9998.
Not covered: in a crowd of texts that share a band, each is compared with `CROWD` of the others only.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["fold", "near_pairs", "shingles", "similarity"]

WIDTH = 5
"""Characters of a shingle."""
BANDS = 16
ROWS = 4
"""Hashes of a band."""
CROWD = 12
"""Texts that share a band, with which one more is compared."""

_BASE = 0x100000001B3
_SEED = 20_261_124
"""Of the hash functions: part of what near means, so it never changes."""


@lru_cache(maxsize=1 << 14)  # one passage stands in many rows
def fold(text: str) -> str:
    """`text` without differences that say nothing: case, white space, and forms of one character."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def shingles(text: str) -> frozenset[int]:
    """Hashes of the distinct runs of `WIDTH` characters of the folded text; of a shorter text the one run."""
    import numpy as np

    codes = np.frombuffer(fold(text).ljust(WIDTH).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    runs = len(codes) - WIDTH + 1
    hashes = np.zeros(runs, dtype=np.uint64)
    for offset in range(WIDTH):
        hashes = hashes * np.uint64(_BASE) + codes[offset : offset + runs]
    return frozenset(hashes.tolist())


def similarity(left: frozenset[int], right: frozenset[int]) -> float:
    """Jaccard similarity of two sets, 0 to 1."""
    common = len(left & right)
    return common / (len(left) + len(right) - common)


def near_pairs(texts: Sequence[str], *, least: float) -> Iterator[tuple[int, int]]:
    """Pairs of indices, the smaller first, of texts with a similarity of at least `least`; each pair once."""
    sets = [shingles(text) for text in texts]
    for left, right in sorted(_candidates([_bands(found) for found in sets])):
        small, large = sorted((len(sets[left]), len(sets[right])))
        if small >= least * large and similarity(sets[left], sets[right]) >= least:
            yield left, right


def _bands(found: frozenset[int]) -> list[bytes]:
    """`BANDS` keys; two sets of similarity s share one of them with probability 1 - (1 - s ** ROWS) ** BANDS."""
    import numpy as np

    hashes = np.fromiter(found, dtype=np.uint64, count=len(found))
    mixed = (hashes ^ (hashes >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    smallest = (_factors()[:, None] * (mixed ^ (mixed >> np.uint64(32)))).min(axis=1)
    return [band.tobytes() for band in smallest.reshape(BANDS, ROWS)]


@cache
def _factors() -> NDArray[np.uint64]:
    """Odd numbers; each makes a hash function of its own by multiplication."""
    import numpy as np

    drawn = np.random.default_rng(_SEED).integers(0, 1 << 63, BANDS * ROWS, dtype=np.uint64)
    return drawn * np.uint64(2) + np.uint64(1)


def _candidates(bands: Sequence[Sequence[bytes]]) -> set[tuple[int, int]]:
    """Pairs that share a band."""
    buckets: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
    pairs: set[tuple[int, int]] = set()
    for index, keys in enumerate(bands):
        for bucket in (buckets[band, key] for band, key in enumerate(keys)):
            pairs.update((other, index) for other in bucket[-CROWD:])
            bucket.append(index)
    return pairs
