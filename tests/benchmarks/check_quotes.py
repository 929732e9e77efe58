"""Looks up every quote of answers in the source files themselves; standard library only, nothing of ours.

    groundskeeper ask "question" --json | python tests/benchmarks/check_quotes.py handbook=path/to/handbook

Reads one or more answers as JSON from standard input. For formats whose text is stored as it is (md, rst, txt) the
slice of the decoded file must equal the quote. Exit code 1 when one does not.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    roots = dict(argument.split("=", 1) for argument in sys.argv[1:])
    checked = wrong = 0
    for answer in _documents(sys.stdin.read()):
        for citation in answer["citations"]:
            name, _, path = citation["uri"].partition("/")
            text = (Path(roots[name]) / path).read_bytes().decode("utf-8-sig")
            held = text[citation["source_start"] : citation["source_end"]]
            checked += 1
            if held != citation["quote"]:
                wrong += 1
                sys.stdout.write(
                    f"{citation['uri']} at {citation['source_start']}: {held!r} is not {citation['quote']!r}\n"
                )
    sys.stdout.write(f"{checked} quotes looked up in their files, {wrong} wrong\n")
    return int(wrong > 0 or checked == 0)


def _documents(text: str) -> list[Any]:
    decoder, documents, at = json.JSONDecoder(), [], 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        document, at = decoder.raw_decode(text, at)
        documents.append(document)
    return documents


if __name__ == "__main__":
    sys.exit(main())
