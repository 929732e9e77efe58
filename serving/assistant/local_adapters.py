"""Many LoRA adapters over one base model in this process, switched per forward pass.

An adapter that is unloaded while requests run under it stays until the last of them has ended; new requests
for it are refused at once. Only safetensors are read: a pickle could run any code.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.assistant.errors import AdapterRefused, AdapterUnknown
from serving.registry.adapter_folder import foreign_to_lora
from serving.registry.manifest import WEIGHTS

__all__ = ["LocalAdapters"]

_REMEDY = "Run its `groundskeeper retrain` again, for this base model."
_REMEDY_OF_FOREIGN = (
    "Train it again without that setting; or, if it is of PiSSA, OLoRA, CorDA or LoRA-GA, save it as a plain LoRA"
    " (PEFT: `save_pretrained` with `path_initial_model_for_weight_conversion`)."
)


@dataclass(frozen=True)
class _Loaded:
    key: str
    """Name inside PEFT, which allows no dots."""
    folder: Path


class LocalAdapters:
    """The base model and the adapters over it. Not thread-safe; its owner holds a lock."""

    def __init__(self, model: Any) -> None:
        """`model`: a transformers model, which gains and loses LoRA layers in place."""
        self.model = model
        self._peft: Any = None
        self._loaded: dict[str, _Loaded] = {}
        self._users: Counter[str] = Counter()
        self._retired: set[str] = set()
        self._active: str | None = None
        self._made = 0

    def key(self, name: str | None) -> str | None:
        """The key of a loaded adapter, None for the base; raises `AdapterUnknown`."""
        if name is None:
            return None
        if name not in self._loaded:
            raise AdapterUnknown(
                f"The adapter {name} is not loaded; loaded are: {', '.join(sorted(self._loaded)) or 'none'}.",
                remedy="Load it first, or name one that is loaded.",
            )
        return self._loaded[name].key

    def load(self, name: str, folder: Path) -> None:
        """Make the adapter in `folder` callable as `name`; raises `AdapterRefused`."""
        from safetensors import SafetensorError

        folder = folder.resolve()
        if name in self._loaded:
            if self._loaded[name].folder != folder:
                raise AdapterRefused(
                    f"The name {name} already stands for the adapter in {self._loaded[name].folder}.",
                    remedy="Give other contents another version; a name is never used twice.",
                )
            return
        config = _read_config(folder)
        self._made += 1
        key = f"adapter{self._made}"
        try:
            self._inject(key, folder, config)
        except (ValueError, TypeError, RuntimeError, KeyError, OSError, re.error, SafetensorError) as error:
            self._delete(key)
            self._remove_remains(key)
            raise AdapterRefused(
                f"The adapter in {folder} does not fit the base model: {error}", remedy=_REMEDY
            ) from error
        self._loaded[name] = _Loaded(key, folder)

    def unload(self, name: str) -> None:
        """Refuse new requests for `name`; its weights go with its last request. Raises `AdapterUnknown`."""
        self.key(name)
        key = self._loaded.pop(name).key
        self._retired.add(key)
        self._drop_if_retired(key)

    def acquire(self, name: str | None) -> str | None:
        """The key of an adapter, whose weights stay until it is released; raises `AdapterUnknown`."""
        key = self.key(name)
        if key is not None:
            self._users[key] += 1
        return key

    def release(self, key: str | None) -> None:
        """One request less."""
        if key is not None:
            self._users[key] -= 1
            self._drop_if_retired(key)

    def activate(self, key: str | None) -> None:
        """Let the next forward pass run under this adapter, or under none."""
        if self._peft is None or key == self._active:
            return
        if key is None:
            self._peft.base_model.disable_adapter_layers()
        else:
            self._peft.base_model.enable_adapter_layers()
            self._peft.set_adapter(key, inference_mode=True)
        self._active = key

    def _inject(self, key: str, folder: Path, config: Any) -> None:
        from peft import PeftModel

        if self._peft is None:
            self._peft = PeftModel(self.model, config, adapter_name=key)
        result = self._peft.load_adapter(str(folder), adapter_name=key, torch_device="cpu")
        # Activation state is unknown now: loading switches adapters on.
        self._active = key
        self.activate(None)
        if wrong := [*result.missing_keys, *result.unexpected_keys]:
            raise ValueError(f"{len(wrong)} of its weights are missing or unknown, e.g. {wrong[0]}.")

    def _drop_if_retired(self, key: str) -> None:
        if key in self._retired and not self._users[key]:
            self._retired.discard(key)
            del self._users[key]
            self._delete(key)

    def _delete(self, key: str) -> None:
        if self._peft is None or key not in self._peft.peft_config:
            return
        if len(self._peft.peft_config) == 1:
            self.model = self._peft.unload()
            self._peft, self._active = None, None
            return
        # PEFT warns when it must choose another active adapter; choosing first keeps that quiet.
        other = next(k for k in self._peft.peft_config if k != key)
        self._active = key
        self.activate(other)
        self._peft.delete_adapter(key)
        self.activate(None)

    def _remove_remains(self, key: str) -> None:
        """Take out the layers of an injection that broke off halfway; PEFT leaves them in, and active."""
        from peft.tuners.tuners_utils import BaseTunerLayer

        for name, module in [*self.model.named_modules()]:
            if isinstance(module, BaseTunerLayer):
                if self._peft is None:
                    self.model.set_submodule(name, module.get_base_layer())
                else:
                    module.delete_adapter(key)


def _read_config(folder: Path) -> Any:
    from peft import PeftConfig, PeftType

    if not (folder / WEIGHTS).is_file():
        raise AdapterRefused(
            f"There is no {WEIGHTS} in {folder}; other formats are not loaded, since they can run code.",
            remedy=_REMEDY,
        )
    try:
        config = PeftConfig.from_pretrained(str(folder))
    except (ValueError, TypeError, KeyError, OSError, ImportError) as error:
        raise AdapterRefused(f"The adapter_config.json in {folder} cannot be read: {error}", remedy=_REMEDY) from error
    if config.peft_type != PeftType.LORA:
        raise AdapterRefused(f"The adapter in {folder} is no LoRA: {config.peft_type}.", remedy=_REMEDY)
    if foreign := foreign_to_lora(config.to_dict()):
        raise AdapterRefused(f"The adapter in {folder} has {foreign}.", remedy=_REMEDY_OF_FOREIGN)
    config.inference_mode = True
    return config
