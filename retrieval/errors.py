"""What can go wrong between a folder of documents and a list of hits.

    GroundskeeperError
    └── RetrievalError
        ├── SourceMissing         the root of a source is not there (an empty one is, and is no error)
        ├── SourceNameTaken       one name, two folders: the second would delete the first
        ├── UnreadableDocument    one file cannot be read or parsed; a refresh goes on without it
        ├── QueryEmpty            a query without a word in it
        ├── EncoderFailed         the embedder raised, or answered with something that is no unit vector
        ├── DiskFull              no room for the next generation; the old one keeps serving
        └── IndexUnusable         the state on disk does not allow what was asked
            ├── IndexMissing      nothing has been indexed yet, or that generation is gone
            ├── IndexBusy         another process is refreshing
            ├── IndexMismatch     made with another embedder, splitter or layout than the one in use
            └── IndexDamaged      a file of the index is not what its manifest says

Every error carries a stable `kind` and a `remedy`, see `serving.interface.errors`.
"""

from __future__ import annotations

from serving.interface.errors import GroundskeeperError

__all__ = [
    "REBUILD",
    "DiskFull",
    "EncoderFailed",
    "IndexBusy",
    "IndexDamaged",
    "IndexMismatch",
    "IndexMissing",
    "IndexUnusable",
    "QueryEmpty",
    "RetrievalError",
    "SourceMissing",
    "SourceNameTaken",
    "UnreadableDocument",
]


REBUILD = "Delete the file CURRENT in the index folder and refresh all sources; nothing is encoded again."
"""The one remedy of damage: it leaves texts, vectors and numbers of generations in place, and makes all else anew."""


class RetrievalError(GroundskeeperError):
    """Reading, indexing or searching documents failed in a way the user can mend."""

    kind = "retrieval"


# Sources


class SourceMissing(RetrievalError):
    """The root of a source does not exist or is no folder."""

    kind = "source_missing"


class SourceNameTaken(RetrievalError):
    """Two folders claim one source name; refreshing one would remove the other's documents."""

    kind = "source_name_taken"


class UnreadableDocument(RetrievalError):
    """One document cannot be read or parsed; its last good passages stay."""

    kind = "unreadable_document"


# Searching and encoding


class QueryEmpty(RetrievalError):
    """A query holds nothing but white space."""

    kind = "query_empty"


class EncoderFailed(RetrievalError):
    """The embedder raised, or returned something other than finite unit vectors."""

    kind = "encoder_failed"


# The state on disk


class DiskFull(RetrievalError):
    """There is no room to build the next generation."""

    kind = "disk_full"


class IndexUnusable(RetrievalError):
    """The index on disk does not allow what was asked of it."""

    kind = "index_unusable"


class IndexMissing(IndexUnusable):
    """There is no index, or no such generation."""

    kind = "index_missing"


class IndexBusy(IndexUnusable):
    """Another process holds the writer's lock."""

    kind = "index_busy"


class IndexMismatch(IndexUnusable):
    """The index was made with another embedder, splitter or layout."""

    kind = "index_mismatch"


class IndexDamaged(IndexUnusable):
    """A file of the index is missing, changed or not what its manifest says."""

    kind = "index_damaged"
