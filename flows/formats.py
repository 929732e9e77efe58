"""The forms in which data sets are published, by the names that `convert` takes."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Format"]


class Format(StrEnum):
    """How a data set is published."""

    SQUAD = "squad"
    CANARD = "canard"
    CAST = "cast"
    REWRITES = "rewrites"
    DISFL_QA = "disfl_qa"
    DOC2DIAL = "doc2dial"
    QUESTION_PAGES = "question_pages"
