"""Entries of a legacy directory that cannot be read: listed with all other hazards, left out, and compared."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry.api import Registry
from registry.authorship import build_signature
from registry.errors import ArrayError, DeniedError, ImportHazardError, NotFoundError, UnavailableError
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.conftest import act_as_ordinary_user, make_location
from tests.refusals import assert_refused

pytestmark = [pytest.mark.small_panels, pytest.mark.sqlite_suffices]

NOBODY = 65534
DENIED = "Permission denied"


@pytest.fixture
def tree(open_folder: Path) -> Path:
    """A tree of three panels with a module each, that every user can read."""
    root = open_folder / "tree"
    for seed, (panel, module) in enumerate(((PANEL_A, "M068"), (PANEL_B, "M088"), (PANEL_C, "M044"))):
        write_panel_folder(root / module, seed)
        (root / panel).symlink_to(module)
    return root


@pytest.fixture
def ordinary(
    request: pytest.FixtureRequest, open_folder: Path
) -> Iterator[tuple[Registry, RegistryLocation]]:
    """An empty registry on SQLite that belongs to a user without rights, and this user."""
    folder = open_folder / "registry"
    folder.mkdir()
    for location in make_location(request, folder, "sqlite"):
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, -1)
        build_signature()  # imports modules that this user may not read
        with act_as_ordinary_user(), location.open() as registry:
            yield registry, location


def lock_folder(root: Path) -> None:
    (root / "M088").chmod(0)


def lock_entries_of_folder(root: Path) -> None:
    (root / "M088").chmod(0o444)


def lock_file(root: Path) -> None:
    (root / "M088" / "g1_gain.npy").chmod(0)


@pytest.mark.parametrize("lock", [lock_folder, lock_entries_of_folder, lock_file])
def test_what_may_not_be_read_is_a_hazard_beside_all_others_and_can_be_left_out(
    tree: Path, request: pytest.FixtureRequest, lock: Callable[[Path], None]
) -> None:
    lock(tree)
    (tree / NEW_A).symlink_to("M099")
    (tree / "M044" / "g0_offset.npy").unlink()
    registry, _ = request.getfixturevalue("ordinary")
    with assert_refused(ImportHazardError, DENIED, "lacks g0_offset.npy", "dangles", problems=3) as caught:
        registry.import_tree(tree)
    assert [hazard.split(":")[0] for hazard in sorted(caught.value.details)] == [PANEL_B, NEW_A, PANEL_C]
    assert registry.log() == []
    outcome = registry.import_tree(tree, skip_bad=True)
    assert {version.panel for version in outcome.versions} == {PANEL_A}
    comparison = registry.compare_tree(tree)
    assert [hazard.split(":")[0] for hazard in sorted(comparison.hazards)] == [PANEL_B, NEW_A, PANEL_C]
    assert comparison.links == ()


def test_a_directory_that_may_not_be_read_itself_is_refused_as_unavailable(
    tree: Path, request: pytest.FixtureRequest
) -> None:
    tree.chmod(0)
    registry, _ = request.getfixturevalue("ordinary")
    for ask in (registry.import_tree, registry.compare_tree):
        with assert_refused(DeniedError, str(tree), DENIED):
            ask(tree)


def test_in_a_directory_of_which_only_the_names_may_be_read_every_link_is_a_hazard(
    tree: Path, request: pytest.FixtureRequest
) -> None:
    tree.chmod(0o444)
    registry, _ = request.getfixturevalue("ordinary")
    with assert_refused(ImportHazardError, DENIED, PANEL_A, PANEL_B, PANEL_C, problems=3):
        registry.import_tree(tree)


def test_a_folder_with_files_of_which_none_may_be_read_is_unavailable_and_all_are_listed(
    tree: Path, request: pytest.FixtureRequest
) -> None:
    for file in (tree / "M068").iterdir():
        file.chmod(0)
    write_panel_folder(tree / "M070")
    (tree / "M070" / "g1_gain.npy").unlink()
    (tree / "M070" / "g0_offset.npy").chmod(0)
    registry, _ = request.getfixturevalue("ordinary")
    registry.panels.add(PANEL_A)
    with assert_refused(UnavailableError, DENIED, problems=6):
        registry.versions.add(PANEL_A, tree / "M068", valid_from="beginning")
    with assert_refused(ArrayError, "g1_gain.npy", DENIED, problems=2):
        registry.versions.add(PANEL_A, tree / "M070", valid_from="beginning")


def replace_by_folder(path: Path) -> None:
    path.mkdir()


def replace_by_loop(path: Path) -> None:
    path.symlink_to(path.name)


def replace_by_long_link(path: Path) -> None:
    path.symlink_to("x" * 300)


def replace_by_link_below_a_file(path: Path) -> None:
    path.symlink_to("g0_gain.npy/below")


IRREGULAR: dict[str, tuple[Callable[[Path], None], str]] = {
    "a folder": (replace_by_folder, "is a folder, not an array"),
    "a pipe": (os.mkfifo, "is not a regular file"),
    "a link in a circle": (replace_by_loop, "is a link that leads in a circle"),
    "a link to a name too long": (replace_by_long_link, "File name too long"),
    "a link below a file": (replace_by_link_below_a_file, "Not a directory"),
}


@pytest.mark.parametrize(("replace", "problem"), IRREGULAR.values(), ids=IRREGULAR)
def test_what_is_not_a_file_in_the_place_of_one_is_a_hazard_that_says_what_it_is(
    registry: Registry, tree: Path, replace: Callable[[Path], None], problem: str
) -> None:
    (tree / "M088" / "g1_gain.npy").unlink()
    replace(tree / "M088" / "g1_gain.npy")
    (tree / NEW_A).symlink_to("M099")
    with assert_refused(ImportHazardError, problem, "dangles", problems=2):
        registry.import_tree(tree)
    assert registry.import_tree(tree, skip_bad=True).revision == 1
    assert any(problem in hazard for hazard in registry.compare_tree(tree).hazards)


LINKS = {
    "in a circle of two": ({"M070": "M071", "M071": "M070"}, "M070", "is circular"),
    "to a name too long": ({}, "x" * 300, "cannot be followed: File name too long"),
    "below a file": ({}, "M068/g0_gain.npy/below", "cannot be followed: Not a directory"),
}


@pytest.mark.parametrize(("others", "target", "problem"), LINKS.values(), ids=LINKS)
def test_a_link_that_cannot_be_followed_says_why(
    registry: Registry, tree: Path, others: dict[str, str], target: str, problem: str
) -> None:
    for name, other in others.items():
        (tree / name).symlink_to(other)
    (tree / NEW_A).symlink_to(target)
    with assert_refused(ImportHazardError, NEW_A, problem, problems=1):
        registry.import_tree(tree)
    assert {version.panel for version in registry.import_tree(tree, skip_bad=True).versions} == {
        PANEL_A,
        PANEL_B,
        PANEL_C,
    }


def test_a_pipe_in_the_place_of_a_module_or_of_an_entry_does_not_block(
    registry: Registry, tree: Path
) -> None:
    shutil.rmtree(tree / "M088")
    os.mkfifo(tree / "M088")
    os.mkfifo(tree / NEW_A)
    with assert_refused(
        ImportHazardError, f"{PANEL_B}: the link to 'M088' is not a folder", NEW_A, problems=2
    ):
        registry.import_tree(tree)


@pytest.mark.slow
def test_names_that_are_not_utf_8_are_shown_escaped_in_every_answer(calreg: Calreg, tree: Path) -> None:
    odd = os.fsdecode(b"caf\xe9")
    (tree / f"{NEW_A}-{odd}").symlink_to("M068")
    (tree / odd).symlink_to("M068")
    (tree / f"{odd}-note").write_text("")
    (tree / "M068" / odd).write_text("")
    (tree / "M088" / odd).symlink_to("/")
    moved = tree.rename(tree.with_name(odd))
    error = calreg.assert_refused(2, "import", str(moved))
    assert len(error["hazards"]) == 3
    assert all("\\udce9" in hazard and hazard.isprintable() for hazard in error["hazards"])
    outcome = calreg.run("import", str(moved), "--skip-bad", "--json")
    assert len(outcome.json["versions"]) == 4
    compared = calreg.run("import", str(moved), "--compare", "--json")
    assert compared.json["tree"] == str(moved.parent / "caf\\xe9")
    assert len(compared.json["hazards"]) == 3


def test_a_module_that_is_removed_while_the_tree_is_read_is_a_hazard(
    registry: Registry, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from registry.importers import panel_folders

    read = panel_folders.read_legacy_tree

    def read_and_remove(*arguments: object, **options: object) -> object:
        legacy_tree = read(*arguments, **options)  # type: ignore[arg-type]
        shutil.rmtree(tree / "M088")
        return legacy_tree

    monkeypatch.setattr(panel_folders, "read_legacy_tree", read_and_remove)
    with assert_refused(ImportHazardError, f"{PANEL_B}: there is no folder", problems=1):
        registry.import_tree(tree)
    with assert_refused(NotFoundError):
        registry.import_tree(tree / "nowhere")
