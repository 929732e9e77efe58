"""Models of the hub, downloaded from a small hub on this machine."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from serving.registry.errors import ModelMissing
from serving.registry.models import prepare_model
from tests.serving.assistant.tiny_model import write_tiny_model

COMMIT = "a" * 40
REPOSITORY = "somebody/tiny"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = write_tiny_model(tmp_path_factory.mktemp("tiny")).path
    return {path.name: path.read_bytes() for path in folder.iterdir()} | {"pytorch_model.bin": b"a pickle"}


@pytest.fixture
def hub(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A hub with one repository; answers with the paths that were asked for."""
    from huggingface_hub import constants

    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), hub_handler(files, asked))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    template = constants.ENDPOINT + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    yield asked
    server.shutdown()
    server.server_close()


def hub_handler(files: dict[str, bytes], asked: list[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.path)
            path = self.path.split("?")[0]
            name = path.rsplit("/", 1)[-1]
            if path.startswith(f"/api/models/{REPOSITORY}/tree/{COMMIT}"):
                self.send(json.dumps([
                    {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                    for name, content in files.items()
                ]).encode())  # fmt: skip
            elif path in (
                f"/api/models/{REPOSITORY}",
                *(f"/api/models/{REPOSITORY}/revision/{r}" for r in (COMMIT, "v1")),
            ):
                siblings = [{"rfilename": name} for name in files]
                card = {"license": "mit"}
                self.send(
                    json.dumps({"id": REPOSITORY, "sha": COMMIT, "siblings": siblings, "cardData": card}).encode()
                )
            elif path == f"/{REPOSITORY}/resolve/{COMMIT}/{name}" and name in files:
                self.send(files[name])
            else:
                self.send(b"", status=404)

        do_HEAD = do_GET  # noqa: N815

        def send(self, content: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            pass

    return Handler


@pytest.mark.parametrize("reference", [REPOSITORY, f"{REPOSITORY}@v1"])
def test_a_model_is_downloaded_once_without_pickles_and_its_commit_recorded(
    hub: list[str], tmp_path: Path, reference: str
):
    model = prepare_model(reference, tmp_path)
    assert (model.revision, model.licence, model.reference) == (COMMIT, "mit", reference)
    names = {path.name for path in model.path.iterdir()}
    assert {"model.safetensors", "tokenizer.json", "config.json", "chat_template.jinja"} <= names
    assert "pytorch_model.bin" not in names
    assert ".cache" not in names
    before = len(hub)
    assert prepare_model(reference, tmp_path) == model
    assert len(hub) == before


def test_a_repository_that_is_not_there_is_told(hub: list[str], tmp_path: Path):
    with pytest.raises(ModelMissing, match=r"somebody/else could not be downloaded: .*404 Not Found"):
        prepare_model("somebody/else", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".somebody--else.lock"]
