"""An address leads to the document whose path it ends with, and to none where that is not sure."""

from __future__ import annotations

import pytest

from tuning.converters.addresses import uri_finder

URIS = [
    "source/index.rst",
    "source/data/load.rst",
    "source/load.md",
    "source/serve/index.rst",
    "source/two words.md",
    "source/api/ray.read_text.rst",
    "one/same.md",
    "two/same.md",
]
SITE = "https://docs.example/en/master"


@pytest.mark.parametrize(
    ("address", "uri"),
    [
        (f"{SITE}/data/load.html", "source/data/load.rst"),
        (f"{SITE}/load.html", "source/load.md"),
        (f"{SITE}/load/", "source/load.md"),
        (f"{SITE}/serve/index.html", "source/serve/index.rst"),
        (f"{SITE}/serve/?q=1", "source/serve/index.rst"),
        (f"{SITE}/two%20words.html", "source/two words.md"),
        (f"{SITE}/api/ray.read_text.html", "source/api/ray.read_text.rst"),
    ],
)
def test_an_address_leads_to_the_longest_path_that_it_ends_with(address: str, uri: str):
    assert uri_finder(URIS)(address) == uri


@pytest.mark.parametrize("page", [f"{SITE}/tune/index.html", SITE, f"{SITE}/same.html", "load.md", f"{SITE}/unload"])
def test_what_leads_to_no_document_or_to_several_stays_as_it_is(page: str):
    assert uri_finder(URIS)(page) == page
