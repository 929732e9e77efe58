"""The folder source: what is a document, in which order, and what each bad file or folder gets."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from retrieval.errors import SourceMissing, UnreadableDocument
from retrieval.sources.folder import FolderSource, SourceFile, list_files, read_file


def _write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path, encoding="utf-8")


def _paths(root: Path) -> list[str]:
    return [file.path for file in list_files(FolderSource("docs", root))]


def test_documents_are_listed_by_path_whatever_their_depth(tmp_path: Path) -> None:
    _write(tmp_path, "b.md", "a/z.rst", "a.txt", "B.HTML", "a/é.md", "c.pdf", "c.docx", "c.ipynb", "c.htm")
    assert _paths(tmp_path) == sorted(
        ["B.HTML", "a.txt", "a/z.rst", "a/é.md", "b.md", "c.docx", "c.htm", "c.ipynb", "c.pdf"]
    )


def test_other_formats_hidden_files_and_hidden_folders_are_left_out(tmp_path: Path) -> None:
    _write(tmp_path, "a.md", "a.py", "a.png", "md", ".hidden.md", ".git/x.md", "x/.obsidian/y.md", "~$a.docx")
    assert _paths(tmp_path) == ["a.md"]


def test_a_folder_named_like_a_document_is_walked_not_read(tmp_path: Path) -> None:
    _write(tmp_path, "guide.md/a.md")
    assert _paths(tmp_path) == ["guide.md/a.md"]


def test_an_existing_empty_root_has_no_documents(tmp_path: Path) -> None:
    assert _paths(tmp_path) == []


@pytest.mark.parametrize(("path", "what"), [("nowhere", "does not exist"), ("file.md", "is not a folder")])
def test_a_missing_root_is_an_error_that_names_source_and_root(tmp_path: Path, path: str, what: str) -> None:
    _write(tmp_path, "file.md")
    with pytest.raises(SourceMissing, match=what) as raised:
        _paths(tmp_path / path)
    assert "'docs'" in str(raised.value)
    assert str(tmp_path / path) in str(raised.value)
    assert raised.value.remedy


def test_a_folder_that_cannot_be_listed_is_an_error_and_not_a_deletion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path, "closed/a.md", "b.md")
    scandir = os.scandir

    def refusing(folder: Path) -> object:
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(SourceMissing, match=r"closed.*Permission denied"):
        _paths(tmp_path)


def test_links_are_followed_inside_the_root_and_never_out_of_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    _write(tmp_path, "root/real/a.md", "outside/secret.md")
    (root / "latest").symlink_to("real")
    (root / "b.md").symlink_to("real/a.md")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "out.md").symlink_to(tmp_path / "outside" / "secret.md")
    (root / "dangling.md").symlink_to("nowhere.md")
    assert _paths(root) == ["b.md", "latest/a.md", "real/a.md"]


def test_links_that_run_in_circles_end(tmp_path: Path) -> None:
    _write(tmp_path, "a/x.md", "b/y.md")
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "a" / "b").symlink_to("../b")
    (tmp_path / "b" / "a").symlink_to("../a")
    (tmp_path / "loop.md").symlink_to("loop.md")
    assert _paths(tmp_path) == ["a/b/y.md", "a/x.md", "b/a/x.md", "b/y.md"]


def test_a_root_that_is_itself_a_link_is_followed(tmp_path: Path) -> None:
    _write(tmp_path, "v2/a.md")
    (tmp_path / "current").symlink_to("v2")
    assert _paths(tmp_path / "current") == ["a.md"]


def test_a_name_that_is_not_utf8_becomes_a_path_that_can_be_stored_and_read(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.md")).write_text("x", encoding="utf-8")
    (file,) = list_files(FolderSource("docs", tmp_path))
    assert file.path == "caf\\xe9.md"
    assert file.path.encode("utf-8")
    assert read_file(FolderSource("docs", tmp_path), file) == b"x"


def test_no_two_files_share_a_path_however_they_are_named(tmp_path: Path) -> None:
    for name in (os.fsdecode(b"caf\xe9.md"), "caf\\xe9.md"):
        (tmp_path / name).touch()
    assert _paths(tmp_path) == ["caf\\\\xe9.md", "caf\\xe9.md"]


def test_what_is_excluded_is_left_out_also_when_a_link_leads_there(tmp_path: Path) -> None:
    _write(tmp_path, "a.md", "var/texts/ab/b.txt", "var/note.md", "docs/c.md")
    (tmp_path / "docs" / "state").symlink_to(tmp_path / "var" / "texts" / "ab")
    (tmp_path / "docs" / "b.txt").symlink_to(tmp_path / "var" / "texts" / "ab" / "b.txt")
    files = list_files(FolderSource("docs", tmp_path), [tmp_path / "var" / "texts", tmp_path / "not" / "there"])
    assert [file.path for file in files] == ["a.md", "docs/c.md", "var/note.md"]


def test_a_root_inside_an_excluded_folder_was_asked_for_and_is_read(tmp_path: Path) -> None:
    _write(tmp_path, "var/docs/a.md")
    assert len(list_files(FolderSource("docs", tmp_path / "var" / "docs"), [tmp_path / "var"])) == 1


def test_reading_gives_the_bytes_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"\xef\xbb\xbfa\r\nb\x00")
    source = FolderSource("docs", tmp_path)
    assert read_file(source, list_files(source)[0]) == b"\xef\xbb\xbfa\r\nb\x00"


def test_a_file_of_200_mb_is_refused_with_its_size_and_the_bound(tmp_path: Path) -> None:
    with (tmp_path / "big.md").open("wb") as stream:
        stream.truncate(200 * 1024 * 1024)  # sparse: takes no room
    source = FolderSource("docs", tmp_path)
    with pytest.raises(UnreadableDocument, match=r"big\.md has 200\.0 MiB.*at most 32\.0 MiB") as raised:
        read_file(source, list_files(source)[0])
    assert "bound" in raised.value.remedy


@pytest.mark.parametrize(("size", "readable"), [(10, True), (11, False)])
def test_the_size_bound_is_inclusive(tmp_path: Path, size: int, readable: bool) -> None:
    (tmp_path / "a.md").write_bytes(b"x" * size)
    source = FolderSource("docs", tmp_path, max_bytes=10)
    if readable:
        assert len(read_file(source, list_files(source)[0])) == size
    else:
        with pytest.raises(UnreadableDocument):
            read_file(source, list_files(source)[0])


def test_a_file_that_vanished_after_the_listing_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument, match=r"gone\.md cannot be read: No such file"):
        read_file(FolderSource("docs", tmp_path), SourceFile("gone.md", tmp_path / "gone.md"))


def test_a_pipe_named_md_is_neither_listed_nor_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    assert _paths(tmp_path) == []
    refused: list[str] = []

    def read() -> None:
        try:
            read_file(FolderSource("docs", tmp_path), SourceFile("pipe.md", tmp_path / "pipe.md"))
        except UnreadableDocument as error:
            refused.append(str(error))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(timeout=10)
    assert refused == ["pipe.md cannot be read: it is no regular file."]
