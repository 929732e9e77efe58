"""What can go wrong with the weights on disk.

GroundskeeperError
└── RegistryError
    ├── ModelMissing          the named model is not on this machine and could not be had
    ├── ModelDamaged          its files do not have the digests they were pinned with
    ├── ModelRefused          it is there but must not or cannot be used (pickle, no tokenizer, ...)
    ├── ModelStorageFull      the disk is too full to prepare it, or to register an adapter
    ├── AdapterMissing        no such version of an adapter is registered
    ├── AdapterDamaged        a registered adapter is not what its manifest says
    ├── AdapterMismatch       it was made for another base model or another contract
    ├── AdapterUnusable       a folder that was to be registered is no adapter
    ├── SwitchRefused         a channel must not be switched so: the gate said no, or what it said is outdated
    └── ChannelsDamaged       the file of the channels cannot be read
"""

from __future__ import annotations

from serving.interface.errors import GroundskeeperError

__all__ = [
    "AdapterDamaged",
    "AdapterMismatch",
    "AdapterMissing",
    "AdapterUnusable",
    "ChannelsDamaged",
    "ModelDamaged",
    "ModelMissing",
    "ModelRefused",
    "ModelStorageFull",
    "RegistryError",
    "SwitchRefused",
]


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
    """The disk is too full to prepare a model or to register an adapter; nothing half-written was left behind."""

    kind = "disk_full"


class AdapterMissing(RegistryError):
    """No such version of an adapter is registered."""

    kind = "adapter_missing"


class AdapterDamaged(RegistryError):
    """A registered adapter is not, file by file, what its manifest says."""

    kind = "adapter_damaged"


class AdapterMismatch(RegistryError):
    """An adapter was made for another base model or another contract than those in use."""

    kind = "adapter_mismatch"


class AdapterUnusable(RegistryError):
    """A folder that was to be registered is no adapter: a pickle, a link, a file too many or too few."""

    kind = "adapter_unusable"


class SwitchRefused(RegistryError):
    """A channel must not be switched so: the gate said no or judged against another value, or nothing came before."""

    kind = "switch_refused"


class ChannelsDamaged(RegistryError):
    """The file of the channels cannot be read."""

    kind = "channels_damaged"
