"""Which extra of the project brings a library; for installations that have only some of the roles.

missing_extra(error)        # the error to show for an ImportError, or None if it is a fault of the program
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from flows.errors import ExtraMissing

__all__ = ["EXTRAS", "missing_extra"]

_LIBRARIES = {
    "retrieval": "bs4 charset_normalizer docx llama_index markdown_it markdownify numpy pypdf qdrant_edge "
    "sentence_transformers snowballstemmer tokenizers",
    "serving": "gguf huggingface_hub peft safetensors torch transformers",
    "tuning": "datasets trl",
    "flows": "httpx prefect",
}
EXTRAS: Mapping[str, str] = MappingProxyType(
    {library: extra for extra, libraries in _LIBRARIES.items() for library in libraries.split()}
)
"""Top-level module -> extra."""


def missing_extra(error: ImportError) -> ExtraMissing | None:
    """What to tell the user when `error` says that a library of an extra is not installed."""
    library = (error.name or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or library not in EXTRAS:
        return None
    extra = EXTRAS[library]
    return ExtraMissing(
        f"This command needs {library}, which is not installed.",
        remedy=f"Install the extra {extra}: pip install -c infra/lock/requirements.txt -e '.[{extra}]'.",
    )
