from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry.errors import ConflictError, CorruptionError, UnavailableError
from registry.exporters import publication as module
from registry.exporters.publication import publish_outputs
from registry.files import STALE_AFTER_SECONDS

NAMES = ["pixel_gain.npy", "pixel_offset.npy", "provenance.json"]


def write(folder: Path, text: str, names: list[str] = NAMES) -> None:
    for name in names:
        (folder / name).write_text(f"{text} {name}")


def location(folder: Path, text: str, *, force: bool = False) -> None:
    with publish_outputs(folder, NAMES, force=force) as hidden:
        write(hidden, text)


def contents(folder: Path) -> dict[str, str]:
    """Return every file below the folder, hidden ones too; no temporary place may be left."""
    assert list(folder.rglob(".calreg-*")) == []
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def all_of(text: str) -> dict[str, str]:
    return {name: f"{text} {name}" for name in NAMES}


class Failing:
    """Call `real`, but the `turn`-th time fail."""

    def __init__(self, real: Callable[..., Any], turn: int, error: BaseException) -> None:
        self.real, self.left, self.error = real, turn, error

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise self.error
        return self.real(*arguments, **named)


def break_call(
    monkeypatch: pytest.MonkeyPatch, where: object, name: str, turn: int, error: BaseException
) -> None:
    failing = Failing(getattr(where, name), turn, error)

    def call(*arguments: Any, **named: Any) -> Any:  # a function: a method of Path hands over its path
        return failing(*arguments, **named)

    monkeypatch.setattr(where, name, call)


STEPS = {
    "the first sync of a file": (module, "sync_file", 1),
    "the last sync of a file": (module, "sync_file", 3),
    "the sync of the folder before": (module, "sync_folder", 1),
    "the first file placed": (Path, "replace", 1),
    "the second file placed": (Path, "replace", 2),
    "the document placed": (Path, "replace", 3),
    "the sync of the folder after": (module, "sync_folder", 2),
}
ERRORS = {
    "a full disk": OSError(errno.ENOSPC, "No space left on device"),
    "an interruption": KeyboardInterrupt(),
}


def test_files_come_into_a_new_folder_and_nothing_else_does(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "out"
    location(folder, "new")
    assert contents(tmp_path / "a") == {f"b/out/{name}": text for name, text in all_of("new").items()}


def test_nothing_is_seen_under_a_final_name_before_the_end(tmp_path: Path) -> None:
    with publish_outputs(tmp_path, NAMES, force=False) as hidden:
        write(hidden, "new")
        assert hidden.parent == tmp_path
        assert not any((tmp_path / name).exists() for name in NAMES)
    assert contents(tmp_path) == all_of("new")


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_failure_at_any_step_leaves_nothing_in_a_new_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: tuple[object, str, int], error: BaseException
) -> None:
    (tmp_path / "kept").write_text("kept")
    break_call(monkeypatch, *step, error)
    expected = UnavailableError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as refused:
        location(tmp_path / "a" / "out", "new")
    if isinstance(refused.value, UnavailableError):
        assert refused.value.code == 8
        assert "cannot be written: No space left on device" in refused.value.message
    assert contents(tmp_path) == {"kept": "kept"}
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_failure_at_any_step_puts_back_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: tuple[object, str, int]
) -> None:
    location(tmp_path, "old")
    (tmp_path / "notes.txt").write_text("kept")
    break_call(monkeypatch, *step, OSError(errno.EIO, "Input/output error"))
    with pytest.raises(UnavailableError, match="cannot be written: Input/output error"):
        location(tmp_path, "new", force=True)
    assert contents(tmp_path) == all_of("old") | {"notes.txt": "kept"}


@pytest.mark.parametrize("refused", [errno.EPERM, errno.ENOTSUP])
def test_where_no_links_can_be_made_a_copy_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    def no_link(*_: object, **__: object) -> None:
        raise OSError(refused, os.strerror(refused))

    location(tmp_path, "old")
    break_call(monkeypatch, Path, "replace", 3, OSError(errno.EIO, "Input/output error"))
    monkeypatch.setattr(os, "link", no_link)
    with pytest.raises(UnavailableError, match="cannot be written: Input/output error"):
        location(tmp_path, "new", force=True)
    assert contents(tmp_path) == all_of("old")


def test_a_journal_that_cannot_grow_leaves_what_is_deployed_in_its_place(tmp_path: Path) -> None:
    place_deep(tmp_path, "old")
    (tmp_path / "offset" / "HISTORY").unlink()
    (tmp_path / "offset" / "HISTORY").mkdir()
    with pytest.raises(UnavailableError, match="HISTORY' cannot be written: Is a directory"):
        place_deep(tmp_path, "new", force=True)
    expected = deep("old")
    del expected["offset/HISTORY"]
    assert contents(tmp_path) == expected


def test_a_writer_that_fails_leaves_what_was_there_and_its_own_error_passes(tmp_path: Path) -> None:
    location(tmp_path / "out", "old")

    def fail_while_writing(folder: Path) -> None:
        with publish_outputs(folder, NAMES, force=True) as hidden:
            write(hidden, "half", NAMES[:1])
            raise CorruptionError("object 00 is damaged")

    for folder in (tmp_path / "out", tmp_path / "new" / "out"):
        with pytest.raises(CorruptionError, match="object 00 is damaged"):
            fail_while_writing(folder)
    assert contents(tmp_path) == {f"out/{name}": text for name, text in all_of("old").items()}
    assert not (tmp_path / "new").exists()


def test_a_writer_that_forgets_a_file_places_none(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError), publish_outputs(tmp_path, NAMES, force=False) as hidden:
        write(hidden, "new", NAMES[:2])
    assert contents(tmp_path) == {}


def killed(folder: Path, age: float, aside: list[str], *, placed: list[str]) -> Path:
    """Leave what an export leaves that was killed so many seconds ago, after these were placed."""
    write(folder, "new", placed)
    hidden = folder / ".calreg-killed"
    (hidden / ".replaced").mkdir(parents=True)
    write(hidden, "new", [name for name in NAMES if name not in placed])
    write(hidden / ".replaced", "old", aside)
    now = folder.stat().st_mtime
    for path in (*hidden.rglob("*"), hidden):
        os.utime(path, (now - age, now - age))
    return hidden


@pytest.mark.parametrize("placed", [[], NAMES[:1], NAMES[:2]])
def test_what_a_killed_export_placed_is_its_own_when_it_is_repeated(
    tmp_path: Path, placed: list[str]
) -> None:
    hidden = killed(tmp_path, 10, [], placed=placed)
    inodes = {name: (tmp_path / name).stat().st_ino for name in placed}
    location(tmp_path, "new")
    assert {name: (tmp_path / name).stat().st_ino for name in placed} == inodes
    assert hidden.exists()  # it may be at work
    shutil.rmtree(hidden)
    assert contents(tmp_path) == all_of("new")


def test_what_a_killed_export_placed_is_not_replaced_by_other_bytes(tmp_path: Path) -> None:
    write(tmp_path, "other", NAMES[:2])
    with pytest.raises(ConflictError, match=r"holds pixel_gain\.npy, pixel_offset\.npy already; --force"):
        location(tmp_path, "new")
    write(tmp_path, "new", NAMES[:1])
    with pytest.raises(ConflictError, match=r"holds pixel_offset\.npy already; --force"):
        location(tmp_path, "new")
    assert contents(tmp_path) == {NAMES[0]: f"new {NAMES[0]}", NAMES[1]: f"other {NAMES[1]}"}
    location(tmp_path, "new", force=True)
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
    ids=["old", "young", "old, replaced again", "old, placed again", "old, others set aside"],
)
def test_the_hidden_folder_of_a_killed_export_is_removed_a_day_later_with_nothing_that_is_missed(
    tmp_path: Path, age: float, aside: list[str], force: bool, removed: bool
) -> None:
    hidden = killed(tmp_path, age, aside, placed=[])
    location(tmp_path, "new", force=force)
    assert hidden.exists() != removed
    assert not removed or contents(tmp_path) == all_of("new")


def test_the_folder_of_an_export_at_work_stays_however_long_ago_it_was_begun(tmp_path: Path) -> None:
    hidden = killed(tmp_path, 10 * STALE_AFTER_SECONDS, [], placed=[])
    (hidden / NAMES[0]).touch()
    location(tmp_path, "new")
    assert hidden.exists()


@pytest.mark.parametrize("name", NAMES)
def test_an_existing_output_is_a_conflict_that_names_it_and_stays(tmp_path: Path, name: str) -> None:
    write(tmp_path, "old", [name])
    with pytest.raises(ConflictError) as refused:
        location(tmp_path, "new")
    assert refused.value.code == 5
    assert f"holds {name} already; --force replaces them" in refused.value.message
    assert contents(tmp_path) == {name: f"old {name}"}


def test_a_link_that_dangles_is_an_existing_output_too(tmp_path: Path) -> None:
    (tmp_path / "pixel_gain.npy").symlink_to("archive.npy")
    with pytest.raises(ConflictError, match=r"holds pixel_gain\.npy already"):
        location(tmp_path, "new")
    assert (tmp_path / "pixel_gain.npy").is_symlink()


def test_force_replaces_links_and_not_what_they_lead_to(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "archive.npy").write_text("kept")
    (tmp_path / "out" / "pixel_gain.npy").symlink_to("../archive.npy")
    location(tmp_path / "out", "new", force=True)
    assert contents(tmp_path / "out") == all_of("new")
    assert (tmp_path / "archive.npy").read_text() == "kept"


def test_with_force_the_old_document_goes_first_and_the_new_one_comes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location(tmp_path, "old")
    real = Path.replace
    seen = []

    def watched(self: Path, target: Path) -> Path:
        seen.append((target.name, (tmp_path / "provenance.json").exists()))
        return real(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    location(tmp_path, "new", force=True)
    assert seen == [(name, False) for name in NAMES]
    assert contents(tmp_path) == all_of("new")


def test_a_file_in_the_place_of_the_folder_is_a_conflict(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("kept")
    with pytest.raises(ConflictError, match="out is a file, not a folder"):
        location(tmp_path / "out", "new", force=True)
    with pytest.raises(UnavailableError, match="cannot be written: Not a directory"):
        location(tmp_path / "out" / "deeper", "new", force=True)
    assert contents(tmp_path) == {"out": "kept"}


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_in_the_place_of_an_output_is_never_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "kept").write_text("kept")
    for force in (False, True):
        with pytest.raises(ConflictError, match=f"{re.escape(name)} is a folder, not a file"):
            location(tmp_path, "new", force=force)
    assert contents(tmp_path) == {f"{name}/kept": "kept"}


def test_what_another_put_into_a_folder_made_for_a_failed_export_stays(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "out"
    with pytest.raises(CorruptionError), publish_outputs(folder, NAMES, force=False) as hidden:  # noqa: PT012
        write(hidden, "new")
        (folder / "notes.txt").write_text("another's")
        raise CorruptionError("object 00 is damaged")
    assert contents(tmp_path) == {"a/out/notes.txt": "another's"}


def test_a_name_that_no_file_system_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="cannot be written: File name too long"):
        location(tmp_path / "new" / ("x" * 300), "new")
    assert contents(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


DEEP = ["gain/1-end.data", "offset/1-end.data", "1-end.json"]
JOURNALS = ["gain/HISTORY", "offset/HISTORY"]


def place_deep(folder: Path, text: str, *, force: bool = False) -> None:
    with publish_outputs(folder, DEEP, journals=JOURNALS, force=force) as hidden:
        for name in (*DEEP, *JOURNALS):
            (hidden / name).parent.mkdir(exist_ok=True)
            (hidden / name).write_text(f"{text} {name}\n")


def deep(*texts: str) -> dict[str, str]:
    """Return what lies there after these placings: the last of every file, a line of each in the journals."""
    files = {name: f"{texts[-1]} {name}\n" for name in DEEP}
    return files | {name: "".join(f"{text} {name}\n" for text in texts) for name in JOURNALS}


def test_files_come_into_folders_and_journals_grow(tmp_path: Path) -> None:
    place_deep(tmp_path / "new" / "home", "first")
    assert contents(tmp_path / "new" / "home") == deep("first")
    place_deep(tmp_path / "new" / "home", "second", force=True)
    assert contents(tmp_path / "new" / "home") == deep("first", "second")
    with pytest.raises(
        ConflictError, match=r"home holds gain/1-end\.data, offset/1-end\.data, 1-end\.json already"
    ):
        place_deep(tmp_path / "new" / "home", "third")
    assert contents(tmp_path / "new" / "home") == deep("first", "second")


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize(
    "step",
    [
        (Path, "replace", 2),
        (module, "sync_folder", 2),
        (module, "sync_folder", 4),
        (module, "append_lines", 1),
        (module, "append_lines", 2),
    ],
)
def test_a_failure_leaves_the_journals_as_they_were_and_no_folder_that_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: tuple[object, str, int], *, there: bool
) -> None:
    before = {name: f"old {name}\n" for name in JOURNALS} if there else {}
    for name, text in before.items():
        (tmp_path / "home" / name).parent.mkdir(parents=True)
        (tmp_path / "home" / name).write_text(text)
    break_call(monkeypatch, *step, OSError(errno.EIO, "Input/output error"))
    with pytest.raises(UnavailableError, match="cannot be written: Input/output error"):
        place_deep(tmp_path / "home", "new")
    assert contents(tmp_path) == {f"home/{name}": text for name, text in before.items()}
    assert (tmp_path / "home").exists() == there
