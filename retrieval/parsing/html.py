"""HTML pages: the main content as Markdown, without scripts, navigation and what is hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retrieval.parsing.decoding import decode
from retrieval.parsing.extracted import Extracted

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

__all__ = ["read_html"]

_CLUTTER = ", ".join(
    (
        "script, style, noscript, template, svg, iframe, object, canvas",
        "nav, footer, aside, form, button, select, dialog",
        "[hidden], [aria-hidden=true], [role=navigation], [role=search], [role=banner], [role=contentinfo]",
        "body > header, a.headerlink",
    )
)
_MAIN = ("main", "[role=main]", "article", "body")
_UNMARKED = ["a", "b", "strong", "i", "em", "u", "s", "del", "img", "sub", "sup", "mark"]
"""Inline marks that a quote should not carry; their words stay."""


def read_html(content: bytes) -> Extracted:
    """Text of an HTML page, headings, lists, code and tables as Markdown.

    Raises NotText if the bytes cannot be decoded.
    """
    from bs4 import BeautifulSoup
    from bs4.dammit import EncodingDetector

    declared = EncodingDetector.find_declared_encoding(content, is_html=True)
    soup = BeautifulSoup(decode(content, declared=declared), "html.parser")
    title = soup.title.get_text(" ", strip=True) if soup.title else None
    _remove_clutter(soup)
    return Extracted(_to_markdown(_main_content(soup)).strip("\n"), title)


def _remove_clutter(soup: BeautifulSoup) -> None:
    styled = (tag for tag in soup.select("[style]") if _is_invisible(str(tag["style"])))
    for tag in [*soup.select(_CLUTTER), *styled]:
        tag.decompose()


def _is_invisible(style: str) -> bool:
    squeezed = style.lower().replace(" ", "")
    return "display:none" in squeezed or "visibility:hidden" in squeezed


def _main_content(soup: BeautifulSoup) -> Tag:
    """The one element that holds the page's content, if the page says which; else all of it."""
    for selector in _MAIN:
        found = soup.select(selector)
        if len(found) == 1:
            return found[0]
    return soup


def _to_markdown(root: Tag) -> str:
    from markdownify import MarkdownConverter

    converter = MarkdownConverter(
        heading_style="atx",
        bullets="-",
        strip=_UNMARKED,
        escape_asterisks=False,
        escape_underscores=False,
        code_language_callback=_code_language,
    )
    return str(converter.convert_soup(root))


def _code_language(pre: Any) -> str:
    """`python` of `<pre><code class="language-python">` or `<div class="highlight-python"><pre>`."""
    code = pre.find("code")
    for tag in (code, pre, pre.parent, pre.parent and pre.parent.parent):
        for name in (tag.get("class") or []) if tag else []:
            for prefix in ("language-", "highlight-"):
                if name.startswith(prefix):
                    return str(name.removeprefix(prefix))
    return ""
