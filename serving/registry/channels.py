"""Channels: which version, or which un-tuned mode, of each behaviour is served; switched in one step.

    channels = Channels(Path("var/channels.json"))
    channels.promote(Channel.PRODUCTION, Behaviour.REFUSAL, "3f2a…", at=now, check=check)
    channels.rollback(Channel.PRODUCTION, Behaviour.REFUSAL, at=now, check=check)

The file holds every switch, oldest first; the last one of a behaviour is what is served. A rollback goes to the value
before the present one, and a second one to the value before that: never forth again to what was left. Writers hold a
lock and replace the whole file, so a reader, or a kill, finds the old state or the new.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from serving.interface.behaviours import Behaviour, UntunedMode
from serving.registry.errors import AdapterMissing, ChannelsDamaged, SwitchRefused
from serving.registry.files import locked, replace_file, storage_told
from serving.registry.manifest import Instant, is_version

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HYBRID_ORDER", "Channel", "Channels", "Check", "Switch", "untuned_modes"]

HYBRID_ORDER = "hybrid_order"
"""The un-tuned mode of `rerank`: the order of the search stands."""

Check = Callable[[Behaviour, str], None]
"""Raises what speaks against serving a version; not asked about un-tuned modes."""


class Channel(StrEnum):
    """Who is served by a value."""

    PRODUCTION = "production"
    CANDIDATE = "candidate"
    CANARY = "canary"


class Switch(BaseModel):
    """One change of what a behaviour runs as."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    value: str
    """What is served from then on: a version or an un-tuned mode."""
    action: Literal["promote", "rollback", "adopt"]
    """`adopt`: a starter took a place in which nobody had chosen."""
    at: Instant


class _State(BaseModel):
    """`channels.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = 1
    channels: dict[Channel, dict[Behaviour, tuple[Switch, ...]]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_a_history(self) -> _State:
        for behaviours in self.channels.values():
            for behaviour, history in behaviours.items():
                if any(not _is_value(behaviour, switch.value) for switch in history):
                    raise ValueError(f"a value of {behaviour} is neither a version nor an un-tuned mode")
                _values(history)
        return self

    def history(self, channel: Channel, behaviour: Behaviour) -> tuple[Switch, ...]:
        return self.channels.get(channel, {}).get(behaviour, ())

    def after(self, channel: Channel, behaviour: Behaviour, switch: Switch) -> _State:
        of_channel = self.channels.get(channel, {})
        history = (*of_channel.get(behaviour, ()), switch)
        return _State(channels={**self.channels, channel: {**of_channel, behaviour: history}})


def untuned_modes(behaviour: Behaviour) -> tuple[str, ...]:
    """What a behaviour may run as without an adapter."""
    return (HYBRID_ORDER,) if behaviour is Behaviour.RERANK else tuple(UntunedMode)


class Channels:
    """The channels in one file, which appears with the first switch. Safe to share between processes."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()

    def value(self, channel: Channel, behaviour: Behaviour) -> str | None:
        """What is served: a version, an un-tuned mode, or None if nobody has chosen. Raises `ChannelsDamaged`."""
        history = self.history(channel, behaviour)
        return history[-1].value if history else None

    def history(self, channel: Channel, behaviour: Behaviour) -> tuple[Switch, ...]:
        """Every switch, oldest first; the last one is in force."""
        return self._read().history(channel, behaviour)

    def users(self, behaviour: Behaviour, value: str) -> tuple[Channel, ...]:
        """The channels that serve this value now."""
        state = self._read()
        return tuple(channel for channel in Channel if _present(state.history(channel, behaviour)) == value)

    def versions(self, behaviour: Behaviour) -> tuple[str, ...]:
        """The versions that some channel serves now, ordered."""
        state = self._read()
        present = {_present(state.history(channel, behaviour)) for channel in Channel}
        return tuple(sorted(value for value in present if value is not None and is_version(value)))

    def promote(
        self,
        channel: Channel,
        behaviour: Behaviour,
        value: str,
        *,
        at: datetime,
        check: Check,
        since: Sequence[Switch] | None = None,
    ) -> Switch:
        """Serve `value` from now on; returns the switch in force, the old one if it was served already.

        `since`: the history when `value` was judged against what was served; None if it need not have been.
        Raises `SwitchRefused` for any switch after it, `AdapterMissing` for what is no value, and what `check` raises;
        then nothing has changed.
        """
        _require_servable(behaviour, value, check)
        with self._changing() as state:
            history = state.history(channel, behaviour)
            if _present(history) == value:
                return history[-1]
            if since is not None and history != tuple(since):
                raise _overtaken(channel, behaviour, value, _present(history))
            return self._write(state, channel, behaviour, Switch(value=value, action="promote", at=at))

    def rollback(self, channel: Channel, behaviour: Behaviour, *, at: datetime, check: Check) -> Switch:
        """Serve the value before the present one again.

        Raises `SwitchRefused` if there is none, and what `check` raises; then nothing has changed.
        """
        with self._changing() as state:
            values = _values(state.history(channel, behaviour))
            if len(values) < 2:
                raise _nothing_earlier(channel, behaviour, values)
            _require_servable(behaviour, values[-2], check)
            return self._write(state, channel, behaviour, Switch(value=values[-2], action="rollback", at=at))

    def is_free(self, channel: Channel, behaviour: Behaviour, version: str) -> bool:
        """Whether `adopt` would serve it: nobody has promoted or rolled back, and it is not served already."""
        return _is_free(self.history(channel, behaviour), version)

    def adopt(self, channel: Channel, behaviour: Behaviour, version: str, *, at: datetime) -> bool:
        """Serve a starter where nobody has chosen yet; answers whether it is served because of this call.

        It takes the place of another starter too, as when the project brings a new one. The caller has verified
        `version`.
        """
        with self._changing() as state:
            if not _is_free(state.history(channel, behaviour), version):
                return False
            self._write(state, channel, behaviour, Switch(value=version, action="adopt", at=at))
            return True

    @contextmanager
    def _changing(self) -> Iterator[_State]:
        """The present state, with the lock held."""
        lock = self._path.with_name(f".{self._path.name}.lock")
        with storage_told(self._path.parent, "switch a channel"), locked(lock):
            yield self._read()

    def _write(self, state: _State, channel: Channel, behaviour: Behaviour, switch: Switch) -> Switch:
        content = state.after(channel, behaviour, switch).model_dump_json(indent=1) + "\n"
        replace_file(self._path, content.encode())
        return switch

    def _read(self) -> _State:
        with storage_told(self._path.parent, "read the channels"):
            try:
                return _State.model_validate_json(self._path.read_bytes())
            except FileNotFoundError:
                return _State()
            except ValidationError as cause:
                raise ChannelsDamaged(
                    f"{self._path} cannot be read: {cause.errors()[0]['msg']}.",
                    remedy="Restore it from a copy; or delete it, and starters are served until you promote again.",
                ) from cause


def _values(history: Sequence[Switch]) -> list[str]:
    """The values that were promoted and not rolled back since, the present one last.

    Raises ValueError for a rollback to anything but the value before.
    """
    values: list[str] = []
    for switch in history:
        if switch.action != "rollback":
            values.append(switch.value)
        elif len(values) > 1 and values[-2] == switch.value:
            values.pop()
        else:
            raise ValueError(f"a rollback to {switch.value}, which was not the value before")
    return values


def _present(history: Sequence[Switch]) -> str | None:
    return history[-1].value if history else None


def _is_free(history: Sequence[Switch], version: str) -> bool:
    return _present(history) != version and all(switch.action == "adopt" for switch in history)


def _is_value(behaviour: Behaviour, value: str) -> bool:
    return is_version(value) or value in untuned_modes(behaviour)


def _require_servable(behaviour: Behaviour, value: str, check: Check) -> None:
    if not _is_value(behaviour, value):
        raise AdapterMissing(
            f"{value!r} is neither a version of {behaviour} nor one of its un-tuned modes.",
            remedy=f"Name a registered version (twelve hexadecimal digits), or: {', '.join(untuned_modes(behaviour))}.",
        )
    if is_version(value):
        check(behaviour, value)


def _overtaken(channel: Channel, behaviour: Behaviour, value: str, present: str | None) -> SwitchRefused:
    return SwitchRefused(
        f"The channel {channel} was switched to {present or 'nothing'} while {behaviour}@{value} was being judged, so"
        f" they were not compared. {behaviour}@{value} is registered and not served.",
        remedy=f"Run the same `groundskeeper retrain {behaviour} --promote` again: it keeps what was trained and judges"
        " it against what is served now.",
    )


def _nothing_earlier(channel: Channel, behaviour: Behaviour, values: Sequence[str]) -> SwitchRefused:
    present = f"{values[0]} was its first value" if values else "nothing was ever promoted there"
    return SwitchRefused(
        f"The channel {channel} has nothing to go back to for {behaviour}: {present}.",
        remedy=f"Promote a version, or an un-tuned mode: {', '.join(untuned_modes(behaviour))}.",
    )
