"""How a behaviour runs: with which adapter or without one, and the numbers that were calibrated for that adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from serving.assistant.errors import CalibrationMissing
from serving.interface.behaviours import Behaviour, UntunedMode
from serving.registry.channels import HYBRID_ORDER

__all__ = ["Running"]


@dataclass(frozen=True)
class Running:
    """One behaviour's channel value, with what its adapter's manifest says about deciding by its numbers."""

    mode: str
    """The adapter's version, or how it runs without one: `few_shot`, `prompt`, `hybrid_order`."""
    calibration: Mapping[str, float] = field(default_factory=dict)
    """Of an adapter, from its manifest; un-tuned empty, but for the baselines of a gate. The keys are documented where
    they are read: `refusal`, `citation`, `reranking`."""

    @property
    def tuned(self) -> bool:
        """Whether an adapter runs."""
        return self.mode not in {*UntunedMode, HYBRID_ORDER}

    def adapter(self, behaviour: Behaviour) -> str | None:
        """The engine's name of the adapter, `<behaviour>@<version>`; None when it runs un-tuned."""
        return f"{behaviour}@{self.mode}" if self.tuned else None

    def calibrated(self, *names: str) -> tuple[float, ...]:
        """The calibrated numbers of these names, in their order. Raises `CalibrationMissing`."""
        absent = [name for name in names if name not in self.calibration]
        if absent:
            raise CalibrationMissing(
                f"The adapter {self.mode} was registered without {' and '.join(absent)}.",
                remedy="Retrain it (`groundskeeper retrain`), or roll back to another version.",
            )
        return tuple(self.calibration[name] for name in names)
