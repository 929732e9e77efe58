"""What can go wrong in Groundskeeper, and the errors of the contract.

    GroundskeeperError            every error a user is shown; carries `kind` and `remedy`
    └── ContractError             the tuned interface was used or answered wrongly
        ├── MalformedOutput       a model's text does not follow the behaviour's grammar
        ├── QuestionTooLong       the question alone exceeds the behaviour's token budget
        └── TemplateUnusable      a chat template cannot carry the contract

Each room keeps its own small tree under `GroundskeeperError`. `kind` is the stable machine-readable
name (`flows` maps it to an exit code, `serving.assistant` to an HTTP status); `remedy` says what to do next.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = ["ContractError", "GroundskeeperError", "MalformedOutput", "QuestionTooLong", "TemplateUnusable"]


class GroundskeeperError(Exception):
    """Base of all errors that a user can understand and mend."""

    kind: ClassVar[str] = "error"

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class ContractError(GroundskeeperError):
    """The tuned interface was used or answered against its contract."""

    kind = "contract"


class MalformedOutput(ContractError):
    """A model's text does not follow the behaviour's grammar; `text` is that text."""

    kind = "malformed_output"

    def __init__(self, message: str, *, text: str) -> None:
        super().__init__(message, remedy="Count it as malformed; do not show it as an answer.")
        self.text = text


class QuestionTooLong(ContractError):
    """The question alone is longer than the behaviour's token budget."""

    kind = "question_too_long"


class TemplateUnusable(ContractError):
    """A chat template that cannot carry trusted and data segments faithfully."""

    kind = "template_unusable"
