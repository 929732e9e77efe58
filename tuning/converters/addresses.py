"""From the address of a page on the web to the uri of its document in an index.

    find = uri_finder(uris)
    find("https://docs.example/en/latest/serve/index.html")     # "source/serve/index.rst"

A document's path in its source is taken to be the end of its address, whatever ending its file has.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from urllib.parse import unquote, urlsplit

__all__ = ["is_address", "uri_finder"]

_ENDING = re.compile(r"\.(?:html?|md|markdown|rst|txt|ipynb|pdf|docx)$", re.IGNORECASE)
_INDEX = re.compile(r"(?:^|/)index$")


def is_address(page: str) -> bool:
    """Whether a page is named as on the web, and not by a path."""
    return "://" in page


def uri_finder(uris: Iterable[str]) -> Callable[[str], str]:
    """From an address to the uri of which it ends with the longest path.

    Where there is none, or two sources hold that path, the address stays as it is, and so does all that is none.
    """
    known: defaultdict[str, list[str]] = defaultdict(list)
    for uri in uris:
        if stem := _stem(uri.partition("/")[2]):  # without the name of its source
            known[stem].append(uri)

    def find(page: str) -> str:
        if not is_address(page):
            return page
        parts = _stem(unquote(urlsplit(page).path)).split("/")
        endings = ("/".join(parts[first:]) for first in range(len(parts)))
        found = next((known[ending] for ending in endings if ending in known), [])
        return found[0] if len(found) == 1 else page

    return find


def _stem(path: str) -> str:
    """A path without the ending of its file; a folder's `index` is the folder."""
    return _INDEX.sub("", _ENDING.sub("", path.strip("/")))
