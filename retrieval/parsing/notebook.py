"""Jupyter notebooks: cells flattened to Markdown, code fenced, outputs left out."""

from __future__ import annotations

import json
import re
from typing import Any

from retrieval.parsing.decoding import decode
from retrieval.parsing.extracted import Extracted

__all__ = ["read_notebook"]


def read_notebook(content: bytes) -> Extracted:
    """Text of a notebook (nbformat 4). Outputs are what a run printed, not documentation.

    What does not begin like a JSON object is taken for a notebook that another tool has flattened to
    Markdown under its old name, as published collections of documentation do, and kept as it is.
    Raises ValueError if it begins like one and is no JSON, or no nbformat 4.
    """
    text = decode(content)
    if not text.lstrip().startswith("{"):
        return Extracted(text)
    notebook = json.loads(text)
    if not isinstance(notebook.get("cells"), list):
        raise ValueError("it has no list of cells (nbformat 4 is expected)")
    language = _language(notebook)
    cells = (_cell_text(cell, language) for cell in notebook["cells"])
    return Extracted("\n\n".join(cell for cell in cells if cell))


def _language(notebook: dict[str, Any]) -> str:
    metadata = notebook.get("metadata") or {}
    info = metadata.get("language_info") or metadata.get("kernelspec") or {}
    name = info.get("name") or info.get("language") or ""
    return str(name) if re.fullmatch(r"[\w+#.-]*", str(name)) else ""


def _cell_text(cell: dict[str, Any], language: str) -> str:
    source = cell["source"]
    text = source if isinstance(source, str) else "".join(source)
    text = text.replace("\r\n", "\n").strip("\n")
    if cell["cell_type"] != "code" or not text.strip():
        return text
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
