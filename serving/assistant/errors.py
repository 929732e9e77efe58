"""What can go wrong between a question and its answer.

GroundskeeperError
├── QuestionEmpty             nothing was asked
├── CitationUnresolved        the index and the stored texts disagree about a quote
├── CalibrationMissing        an adapter runs without a number that its decisions need
└── EngineError
    ├── EngineUnavailable     the engine cannot be started or was closed
    ├── PromptTooLong         prompt and answer together exceed the context of the base model
    ├── AdapterUnknown        a request names an adapter that is not loaded
    └── AdapterRefused        an adapter must not or cannot be loaded
"""

from __future__ import annotations

from serving.interface.errors import GroundskeeperError

__all__ = [
    "AdapterRefused",
    "AdapterUnknown",
    "CalibrationMissing",
    "CitationUnresolved",
    "EngineError",
    "EngineUnavailable",
    "PromptTooLong",
    "QuestionEmpty",
]


class QuestionEmpty(GroundskeeperError):
    """Nothing was asked."""

    kind = "question_empty"


class CitationUnresolved(GroundskeeperError):
    """A passage of the index is not what the stored text holds at its place; it must not be quoted."""

    kind = "citation_unresolved"


class CalibrationMissing(GroundskeeperError):
    """An adapter was registered without a number that its decisions need, such as its threshold."""

    kind = "calibration_missing"


class EngineError(GroundskeeperError):
    """The engine that runs the base model cannot do what it was asked."""

    kind = "engine"


class EngineUnavailable(EngineError):
    """The engine cannot be started, or was closed."""

    kind = "engine_unavailable"


class PromptTooLong(EngineError):
    """Prompt and answer together exceed the context of the base model."""

    kind = "prompt_too_long"


class AdapterUnknown(EngineError):
    """A request names an adapter that is not loaded."""

    kind = "adapter_unknown"


class AdapterRefused(EngineError):
    """An adapter that must not or cannot be loaded."""

    kind = "adapter_refused"
