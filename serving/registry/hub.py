"""Models of the Hugging Face hub: safetensors, tokenizer and configuration of one pinned commit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from serving.registry.errors import ModelMissing
from serving.registry.packaged import ways_to_get_a_model

__all__ = ["download_model"]

# No pickle, no code: weights and texts only.
_WANTED = ["*.safetensors", "*.json", "*.jinja", "*.txt", "tokenizer.model", "1_Pooling/*", "README.md"]


def download_model(repository: str, revision: str | None, target: Path) -> tuple[str, str]:
    """Download into `target`; answers (commit, licence), the licence `unstated` where the card has none.

    Raises `ModelMissing` without a network, access or such a repository.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    # The hub's client has changed its HTTP library before; its own error names the root of the present one.
    http_errors: tuple[type, ...] = HfHubHTTPError.__bases__[:1]
    unreachable: Any = (*http_errors, HFValidationError, OfflineModeIsEnabled)
    try:
        info = HfApi().model_info(repository, revision=revision)
        commit = str(info.sha)
        snapshot_download(repository, revision=commit, local_dir=target, allow_patterns=_WANTED)
    except unreachable as error:
        asked = f"{repository}@{revision}" if revision else repository
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelMissing(
            f"The model {asked} could not be downloaded: {reason}", remedy=ways_to_get_a_model()
        ) from error
    shutil.rmtree(target / ".cache", ignore_errors=True)
    licence = info.card_data.get("license") if info.card_data else None
    return commit, str(licence) if licence else "unstated"
