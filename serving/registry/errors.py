"""What can go wrong with the weights on disk.

GroundskeeperError
└── RegistryError
    ├── ModelMissing          the named model is not on this machine and could not be had
    ├── ModelDamaged          its files do not have the digests they were pinned with
    ├── ModelRefused          it is there but must not or cannot be used (pickle, no tokenizer, ...)
    └── ModelStorageFull      the disk is too full to prepare it
"""

from __future__ import annotations

from serving.interface.errors import GroundskeeperError

__all__ = ["ModelDamaged", "ModelMissing", "ModelRefused", "ModelStorageFull", "RegistryError"]


class RegistryError(GroundskeeperError):
    """A model or an adapter on disk is not as it must be."""

    kind = "registry"


class ModelMissing(RegistryError):
    """The named model is not on this machine and could not be had."""

    kind = "model_missing"


class ModelDamaged(RegistryError):
    """A model's files do not have the digests they were pinned with."""

    kind = "model_damaged"


class ModelRefused(RegistryError):
    """A model that is present but must not or cannot be used."""

    kind = "model_refused"


class ModelStorageFull(RegistryError):
    """The disk is too full to prepare a model; nothing half-written was left behind."""

    kind = "disk_full"
