"""Files: copies equal their source, holes included, and a full disk has one name."""

from __future__ import annotations

import errno
import os
import random
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.errors import DiskFull, IndexUnusable
from retrieval.files import (
    copy_tree_sparse,
    disk_named,
    make_folder,
    remove_tree,
    replace_file,
    require_room,
    sync_tree,
    try_lock,
    used_bytes,
)

pieces = st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=50)), max_size=4)


@settings(max_examples=30, deadline=None)
@given(pieces, st.integers(0, 1 << 21))
def test_a_copy_equals_its_source_byte_for_byte(pieces: list[tuple[int, bytes]], size: int):
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source", Path(folder) / "deep" / "copy"
        (source / "inner" / "empty").mkdir(parents=True)
        with (source / "inner" / "file").open("wb") as file:
            for offset, content in pieces:
                file.seek(offset)
                file.write(content)
            file.truncate(size)
        copy_tree_sparse(source, target)
        assert (target / "inner" / "file").read_bytes() == (source / "inner" / "file").read_bytes()
        assert (target / "inner" / "empty").is_dir()


pages = st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 700), st.integers(0, 255)), max_size=4)


@settings(max_examples=20, deadline=None)
@given(pages, st.sampled_from([None, 1 << 20]))
def test_a_copy_of_large_stretches_and_holes_equals_its_source(pages: list[tuple[int, int, int]], buffer: int | None):
    """Also where buffers are larger than holes, as on file systems with large blocks."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        source, target = Path(folder) / "source", Path(folder) / "copy"
        source.mkdir()
        with (source / "file").open("wb") as file:
            for page, count, seed in pages:
                file.seek(page * 4096)
                file.write(random.Random(seed).randbytes(count * 4096 + seed))
        if buffer is not None:
            opened = Path.open
            patch.setattr(Path, "open", lambda path, mode, buffering=-1: opened(path, mode, buffer))
        copy_tree_sparse(source, target)
        patch.undo()
        assert (target / "file").read_bytes() == (source / "file").read_bytes()


def test_holes_stay_holes(tmp_path: Path):
    (tmp_path / "source").mkdir()
    with (tmp_path / "source" / "sparse").open("wb") as file:
        file.truncate(1 << 30)
        file.seek(1 << 29)
        file.write(b"x")
    copy_tree_sparse(tmp_path / "source", tmp_path / "copy")
    assert used_bytes(tmp_path / "copy") < 1 << 20


def test_replacing_leaves_the_new_content_and_nothing_beside_it(tmp_path: Path):
    path = tmp_path / "CURRENT"
    replace_file(path, b"1\n")
    replace_file(path, b"2\n")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("CURRENT", b"2\n")]


def test_a_tree_that_is_not_there_can_be_removed_but_not_synced_or_copied(tmp_path: Path):
    remove_tree(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        sync_tree(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        copy_tree_sparse(tmp_path / "nothing", tmp_path / "copy")


def test_a_lock_is_taken_once(tmp_path: Path):
    one, other = (os.open(tmp_path / "LOCK", os.O_RDWR | os.O_CREAT) for _ in range(2))
    assert (try_lock(one), try_lock(other)) == (True, False)
    os.close(one)
    assert try_lock(other)
    os.close(other)


def test_room_is_asked_for_before_it_is_needed(tmp_path: Path):
    require_room({tmp_path: 1, tmp_path / "not" / "there" / "yet": 1})
    with pytest.raises(DiskFull, match="MiB free") as failure:
        require_room({tmp_path: 1 << 62})
    assert "Free some space" in failure.value.remedy


def test_folders_on_one_disk_need_room_for_both(tmp_path: Path):
    half = shutil.disk_usage(tmp_path).free * 2 // 3
    require_room({tmp_path: half})
    with pytest.raises(DiskFull):
        require_room({tmp_path: half, tmp_path / "texts": half})


def test_a_new_folder_is_made_with_all_above_it(tmp_path: Path):
    for _ in range(2):
        make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def sqlite_full() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


@pytest.mark.parametrize(
    "cause",
    [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EDQUOT, "Quota exceeded"), sqlite_full()],
    ids=["disk", "quota", "sqlite"],
)
def test_whatever_a_full_disk_raises_is_named_so(tmp_path: Path, cause: Exception):
    with pytest.raises(DiskFull) as failure, disk_named(tmp_path):
        raise cause
    assert failure.value.__cause__ is cause


def test_a_real_sqlite_database_without_room_is_named_so(tmp_path: Path):
    connection = sqlite3.connect(tmp_path / "db")
    connection.execute("CREATE TABLE t (x)")
    connection.execute("PRAGMA max_page_count=2")
    with pytest.raises(DiskFull), disk_named(tmp_path):
        connection.execute("INSERT INTO t VALUES (zeroblob(1000000))")
    connection.close()


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EIO, errno.ENOTDIR])
def test_what_else_a_disk_refuses_is_named_with_the_file_and_a_remedy(tmp_path: Path, code: int):
    with pytest.raises(IndexUnusable, match=r"v\.sqlite cannot be used") as failure, disk_named(tmp_path):
        raise OSError(code, os.strerror(code), str(tmp_path / "v.sqlite"))
    assert failure.value.kind == "index_unusable"
    assert str(tmp_path) in failure.value.remedy


def test_a_broken_pipe_is_no_disk(tmp_path: Path):
    with pytest.raises(BrokenPipeError), disk_named(tmp_path):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
