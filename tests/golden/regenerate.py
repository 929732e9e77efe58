"""Writes the golden files of the contract anew: `python -m tests.golden.regenerate`.

A changed golden file is a changed contract: it retires the adapters of that behaviour and needs a decision record.
"""

from __future__ import annotations

import json
from pathlib import Path

from serving.interface.behaviours import Behaviour
from serving.interface.fingerprint import fingerprint, probe_bytes
from tests.serving.interface.chatml import CHATML

FOLDER = Path(__file__).parent


def golden_texts() -> dict[str, str]:
    """File name -> contents, for every golden file of the contract."""
    texts = {f"{behaviour}.jsonl": probe_bytes(behaviour, CHATML).decode() for behaviour in Behaviour}
    digests = {str(behaviour): fingerprint(behaviour, CHATML) for behaviour in Behaviour}
    return texts | {"fingerprints.json": json.dumps(digests, indent=2) + "\n"}


def main() -> None:
    for name, text in golden_texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8", newline="")


if __name__ == "__main__":
    main()
