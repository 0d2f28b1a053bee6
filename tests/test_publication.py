from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry.errors import ConflictError, CorruptionError, Remedy, UnavailableError
from registry.exporters import publication as module
from registry.exporters.publication import publish_outputs
from registry.files import STALE_AFTER_SECONDS
from tests.refusals import assert_refused

NAMES = ["pixel_gain.npy", "pixel_offset.npy", "provenance.json"]


def write(folder: Path, text: str, names: list[str] = NAMES) -> None:
    for name in names:
        (folder / name).write_text(f"{text} {name}")


def publish(folder: Path, text: str, *, force: bool = False) -> None:
    with publish_outputs(folder, NAMES, force=force) as staging:
        write(staging, text)


def contents(folder: Path) -> dict[str, str]:
    """Return every file below the folder, hidden ones too; no staging folder may be left."""
    assert list(folder.rglob(".calreg-*")) == []
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def all_of(text: str) -> dict[str, str]:
    return {name: f"{text} {name}" for name in NAMES}


class Failing:
    """Call `real`, but fail the `count`-th time."""

    def __init__(self, real: Callable[..., Any], count: int, error: BaseException) -> None:
        self.real, self.left, self.error = real, count, error

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise self.error
        return self.real(*arguments, **named)


def break_call(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, count: int, error: BaseException
) -> None:
    failing = Failing(getattr(owner, name), count, error)

    def call(*arguments: Any, **named: Any) -> Any:  # a function: a method of Path hands over its path
        return failing(*arguments, **named)

    monkeypatch.setattr(owner, name, call)


STEPS = {
    "the first sync of a file": (module, "sync_file", 1),
    "the last sync of a file": (module, "sync_file", 3),
    "the sync of the folder before": (module, "sync_folder", 1),
    "moving the first file": (Path, "replace", 1),
    "moving the second file": (Path, "replace", 2),
    "moving the document": (Path, "replace", 3),
    "the sync of the folder after": (module, "sync_folder", 2),
}
ERRORS = {
    "a full disk": OSError(errno.ENOSPC, "No space left on device"),
    "an interruption": KeyboardInterrupt(),
}


def test_a_new_folder_has_the_outputs_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "out"
    publish(folder, "new")
    assert contents(tmp_path / "a") == {f"b/out/{name}": text for name, text in all_of("new").items()}


def test_no_output_has_its_final_name_before_the_end(tmp_path: Path) -> None:
    with publish_outputs(tmp_path, NAMES, force=False) as staging:
        write(staging, "new")
        assert staging.parent == tmp_path
        assert not any((tmp_path / name).exists() for name in NAMES)
    assert contents(tmp_path) == all_of("new")


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_failure_at_any_step_leaves_no_new_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: tuple[object, str, int], error: BaseException
) -> None:
    (tmp_path / "kept").write_text("kept")
    break_call(monkeypatch, *step, error)
    expected = UnavailableError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        publish(tmp_path / "a" / "out", "new")
    if isinstance(caught.value, UnavailableError):
        assert caught.value.code == 8
        assert "No space left on device" in caught.value.message
    assert contents(tmp_path) == {"kept": "kept"}
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_failure_at_any_step_restores_the_old_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: tuple[object, str, int]
) -> None:
    publish(tmp_path, "old")
    (tmp_path / "notes.txt").write_text("kept")
    break_call(monkeypatch, *step, OSError(errno.EIO, "Input/output error"))
    with assert_refused(UnavailableError):
        publish(tmp_path, "new", force=True)
    assert contents(tmp_path) == all_of("old") | {"notes.txt": "kept"}


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP])
def test_a_copy_is_restored_where_the_file_system_has_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def no_link(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    publish(tmp_path, "old")
    break_call(monkeypatch, Path, "replace", 3, OSError(errno.EIO, "Input/output error"))
    monkeypatch.setattr(os, "link", no_link)
    with assert_refused(UnavailableError):
        publish(tmp_path, "new", force=True)
    assert contents(tmp_path) == all_of("old")


def test_a_journal_that_cannot_be_appended_to_leaves_the_old_files(tmp_path: Path) -> None:
    publish_deep(tmp_path, "old")
    (tmp_path / "offset" / "HISTORY").unlink()
    (tmp_path / "offset" / "HISTORY").mkdir()
    with assert_refused(UnavailableError, path=str(tmp_path / "offset" / "HISTORY")):
        publish_deep(tmp_path, "new", force=True)
    expected = deep("old")
    del expected["offset/HISTORY"]
    assert contents(tmp_path) == expected


def test_the_error_of_a_writer_leaves_the_old_files_and_is_raised(tmp_path: Path) -> None:
    publish(tmp_path / "out", "old")

    def fail_while_writing(folder: Path) -> None:
        with publish_outputs(folder, NAMES, force=True) as staging:
            write(staging, "half", NAMES[:1])
            raise CorruptionError("object 00 is damaged")

    for folder in (tmp_path / "out", tmp_path / "new" / "out"):
        with pytest.raises(CorruptionError, match="object 00 is damaged"):
            fail_while_writing(folder)
    assert contents(tmp_path) == {f"out/{name}": text for name, text in all_of("old").items()}
    assert not (tmp_path / "new").exists()


def test_a_writer_that_omits_a_file_publishes_none(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError), publish_outputs(tmp_path, NAMES, force=False) as staging:
        write(staging, "new", NAMES[:2])
    assert contents(tmp_path) == {}


def make_killed_export(folder: Path, age: float, aside: list[str], *, published: list[str]) -> Path:
    """Make the files of an export that was killed so many seconds ago, after these were published."""
    write(folder, "new", published)
    staging = folder / ".calreg-killed"
    (staging / ".replaced").mkdir(parents=True)
    write(staging, "new", [name for name in NAMES if name not in published])
    write(staging / ".replaced", "old", aside)
    now = folder.stat().st_mtime
    for path in (*staging.rglob("*"), staging):
        os.utime(path, (now - age, now - age))
    return staging


@pytest.mark.parametrize("published", [[], NAMES[:1], NAMES[:2]])
def test_a_repeated_export_keeps_the_files_that_a_killed_one_published(
    tmp_path: Path, published: list[str]
) -> None:
    staging = make_killed_export(tmp_path, 10, [], published=published)
    inodes = {name: (tmp_path / name).stat().st_ino for name in published}
    publish(tmp_path, "new")
    assert {name: (tmp_path / name).stat().st_ino for name in published} == inodes
    assert staging.exists()  # it may be at work
    shutil.rmtree(staging)
    assert contents(tmp_path) == all_of("new")


def test_files_of_a_killed_export_are_not_replaced_by_other_bytes(tmp_path: Path) -> None:
    write(tmp_path, "other", NAMES[:2])
    with assert_refused(ConflictError, remedy=Remedy.REPLACE_FILES, path=str(tmp_path), files=NAMES[:2]):
        publish(tmp_path, "new")
    write(tmp_path, "new", NAMES[:1])
    with assert_refused(ConflictError, remedy=Remedy.REPLACE_FILES, path=str(tmp_path), files=NAMES[1:2]):
        publish(tmp_path, "new")
    assert contents(tmp_path) == {NAMES[0]: f"new {NAMES[0]}", NAMES[1]: f"other {NAMES[1]}"}
    publish(tmp_path, "new", force=True)
    assert contents(tmp_path) == all_of("new")


@pytest.mark.parametrize(
    ("age", "aside", "force", "removed"),
    [
        (STALE_AFTER_SECONDS + 10, [], False, True),
        (STALE_AFTER_SECONDS - 100, [], False, False),
        (STALE_AFTER_SECONDS + 10, ["document", *NAMES[:2]], True, True),
        (STALE_AFTER_SECONDS + 10, ["document", *NAMES[:2]], False, True),
        (STALE_AFTER_SECONDS + 10, ["9-end.data"], True, False),
    ],
    ids=["old", "young", "old, replaced again", "old, published again", "old, others set aside"],
)
def test_the_staging_folder_of_a_killed_export_is_removed_a_day_later_unless_files_would_be_lost(
    tmp_path: Path, age: float, aside: list[str], force: bool, removed: bool
) -> None:
    staging = make_killed_export(tmp_path, age, aside, published=[])
    publish(tmp_path, "new", force=force)
    assert staging.exists() != removed
    assert not removed or contents(tmp_path) == all_of("new")


def test_the_folder_of_an_export_at_work_stays_however_long_ago_it_was_started(tmp_path: Path) -> None:
    staging = make_killed_export(tmp_path, 10 * STALE_AFTER_SECONDS, [], published=[])
    (staging / NAMES[0]).touch()
    publish(tmp_path, "new")
    assert staging.exists()


@pytest.mark.parametrize("name", NAMES)
def test_an_existing_output_is_a_conflict_that_names_it_and_stays(tmp_path: Path, name: str) -> None:
    write(tmp_path, "old", [name])
    with assert_refused(
        ConflictError, remedy=Remedy.REPLACE_FILES, path=str(tmp_path), files=[name]
    ) as caught:
        publish(tmp_path, "new")
    assert caught.value.code == 5
    assert contents(tmp_path) == {name: f"old {name}"}


def test_a_dangling_link_is_an_existing_output_too(tmp_path: Path) -> None:
    (tmp_path / "pixel_gain.npy").symlink_to("archive.npy")
    with assert_refused(ConflictError, files=NAMES[:1]):
        publish(tmp_path, "new")
    assert (tmp_path / "pixel_gain.npy").is_symlink()


def test_force_replaces_links_and_not_their_targets(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "archive.npy").write_text("kept")
    (tmp_path / "out" / "pixel_gain.npy").symlink_to("../archive.npy")
    publish(tmp_path / "out", "new", force=True)
    assert contents(tmp_path / "out") == all_of("new")
    assert (tmp_path / "archive.npy").read_text() == "kept"


def test_with_force_the_old_document_is_removed_first_and_the_new_one_moved_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, "old")
    real = Path.replace
    seen = []

    def watch(self: Path, target: Path) -> Path:
        seen.append((target.name, (tmp_path / "provenance.json").exists()))
        return real(self, target)

    monkeypatch.setattr(Path, "replace", watch)
    publish(tmp_path, "new", force=True)
    assert seen == [(name, False) for name in NAMES]
    assert contents(tmp_path) == all_of("new")


def test_a_file_in_the_place_of_the_folder_is_a_conflict(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("kept")
    with assert_refused(ConflictError, path=str(tmp_path / "out")):
        publish(tmp_path / "out", "new", force=True)
    with assert_refused(UnavailableError):
        publish(tmp_path / "out" / "deeper", "new", force=True)
    assert contents(tmp_path) == {"out": "kept"}


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_in_the_place_of_an_output_is_never_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "kept").write_text("kept")
    for force in (False, True):
        with assert_refused(ConflictError, path=str(tmp_path / name)):
            publish(tmp_path, "new", force=force)
    assert contents(tmp_path) == {f"{name}/kept": "kept"}


def test_a_file_that_another_program_put_into_the_folder_of_a_failed_export_stays(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "out"
    with pytest.raises(CorruptionError), publish_outputs(folder, NAMES, force=False) as staging:  # noqa: PT012
        write(staging, "new")
        (folder / "notes.txt").write_text("another's")
        raise CorruptionError("object 00 is damaged")
    assert contents(tmp_path) == {"a/out/notes.txt": "another's"}


def test_a_name_that_is_too_long_for_the_file_system_is_refused(tmp_path: Path) -> None:
    with assert_refused(UnavailableError):
        publish(tmp_path / "new" / ("x" * 300), "new")
    assert contents(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


DEEP = ["gain/1-end.data", "offset/1-end.data", "1-end.json"]
JOURNALS = ["gain/HISTORY", "offset/HISTORY"]


def publish_deep(folder: Path, text: str, *, force: bool = False, has_own_document: bool = False) -> None:
    with publish_outputs(
        folder, DEEP, journals=JOURNALS, force=force, has_own_document=has_own_document
    ) as staging:
        for name in (*DEEP, *JOURNALS):
            (staging / name).parent.mkdir(exist_ok=True)
            (staging / name).write_text(f"{text} {name}\n")


def deep(*texts: str) -> dict[str, str]:
    """Return the contents after these exports: the last text in every file, one line of each in the journals."""
    files = {name: f"{texts[-1]} {name}\n" for name in DEEP}
    return files | {name: "".join(f"{text} {name}\n" for text in texts) for name in JOURNALS}


def test_files_are_published_in_folders_and_journals_are_appended_to(tmp_path: Path) -> None:
    publish_deep(tmp_path / "new" / "home", "first")
    assert contents(tmp_path / "new" / "home") == deep("first")
    publish_deep(tmp_path / "new" / "home", "second", force=True)
    assert contents(tmp_path / "new" / "home") == deep("first", "second")
    with assert_refused(ConflictError, path=str(tmp_path / "new" / "home"), files=DEEP):
        publish_deep(tmp_path / "new" / "home", "third")
    assert contents(tmp_path / "new" / "home") == deep("first", "second")


@pytest.mark.parametrize("lines", [[], JOURNALS[:1], JOURNALS])
def test_an_export_with_its_own_document_stays_and_gets_the_lines_that_a_journal_lacks(
    tmp_path: Path, lines: list[str]
) -> None:
    publish_deep(tmp_path, "first")
    for name in JOURNALS:
        if name not in lines:
            (tmp_path / name).unlink()
    inodes = {name: (tmp_path / name).stat().st_ino for name in DEEP}
    publish_deep(tmp_path, "first", has_own_document=True)
    assert contents(tmp_path) == deep("first")
    assert {name: (tmp_path / name).stat().st_ino for name in DEEP} == inodes
    with assert_refused(ConflictError, files=DEEP):
        publish_deep(tmp_path, "second", has_own_document=True)
    (tmp_path / DEEP[0]).unlink()
    with assert_refused(ConflictError, files=DEEP[1:]):
        publish_deep(tmp_path, "first", has_own_document=True)


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize(
    "step",
    [
        (Path, "replace", 2),
        (module, "sync_folder", 1),
        (module, "sync_folder", 3),
        (module, "append_lines", 1),
        (module, "append_lines", 2),
    ],
)
def test_a_failure_leaves_the_journals_as_they_were_and_no_new_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: tuple[object, str, int], *, existing: bool
) -> None:
    before = {name: f"old {name}\n" for name in JOURNALS} if existing else {}
    for name, text in before.items():
        (tmp_path / "home" / name).parent.mkdir(parents=True)
        (tmp_path / "home" / name).write_text(text)
    break_call(monkeypatch, *step, OSError(errno.EIO, "Input/output error"))
    with assert_refused(UnavailableError):
        publish_deep(tmp_path / "home", "new")
    assert contents(tmp_path) == {f"home/{name}": text for name, text in before.items()}
    assert (tmp_path / "home").exists() == existing
