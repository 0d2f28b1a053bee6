"""Sessions that are pinned to a revision by its number and seal, on a registry and through its service."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry import open_registry, read_status, verify_export
from registry.api import Registry, create_registry, upgrade_database
from registry.errors import ConflictError, NotFoundError, NotValidError, RegistryError, RequestError
from registry.heads import is_pin, parse_pin
from registry.service.options import Options
from registry.service.server import serve
from registry.settings import Settings
from testing.panels import PANEL_A, write_panel_folder
from testing.registries import RegistryLocation
from testing.services import serve_in_thread
from tests.cli import Calreg

pytestmark = pytest.mark.small_panels

RUN = "exp=xcsls3716:run=631"
SOURCE = "XcsEndstation.0:Jungfrau.0"


@pytest.fixture
def filled(location: RegistryLocation, small_panels: None, tmp_path: Path) -> RegistryLocation:
    """A registry whose newest revision ends what revision 4 knows as valid."""
    write_panel_folder(tmp_path / "files", 1)
    with location.open() as registry:
        registry.panels.add(PANEL_A, alias="M068")
        registry.versions.add(PANEL_A, tmp_path / "files", valid_from="2018-01-01T00:00:00Z")
        registry.runs.add(RUN, begin="2018-02-10T08:15:00Z")
        registry.detectors.configure("xcsls3716", SOURCE, PANEL_A, first_run=1)
        registry.tags.add("later", as_of=3)
        registry.versions.gap(PANEL_A, valid_from="2018-02-01T00:00:00Z", comment="broken")
    return location


@pytest.fixture(params=["itself", "its service"])
def database(request: pytest.FixtureRequest, filled: RegistryLocation) -> Iterator[tuple[str, Path]]:
    """The database of the registry, or the URL of its service; and its store."""
    if request.param == "itself":
        yield filled.database, filled.store
    else:
        with serve_in_thread(filled) as url:
            yield url, filled.store


def find_pin(location: RegistryLocation, number: int) -> str:
    with location.open() as registry:
        return registry.find_head(number).pin


def test_a_pin_is_accepted_wherever_a_revision_is_named(
    filled: RegistryLocation, database: tuple[str, Path]
) -> None:
    pin, other = find_pin(filled, 4), "4-0123456789abcdef"
    with open_registry(*database) as registry:
        assert registry.head.number == 6
        assert registry.find_head(pin).pin == pin
        assert registry.constants(RUN, as_of=pin).provenance.registry.revision == 4
        assert registry.validity("M068", as_of=pin) == registry.validity("M068", as_of=4)
        assert len(registry.list_affected_runs(pin)) == 1
        assert registry.diff(RUN, before=pin).before == 4
        with pytest.raises(ConflictError) as refusal:
            registry.validity("M068", as_of=other)
        assert {other[2:], pin[2:]} <= set(str(refusal.value).replace(":", " ").replace(",", " ").split())
        with pytest.raises(NotFoundError):
            registry.panels.list(as_of="9-0123456789abcdef")
        assert registry.panels.list(as_of=registry.find_head("1970-01-01T00:00:00Z").pin) == []


def test_a_pinned_session_answers_as_of_its_revision_or_an_earlier_one(
    filled: RegistryLocation, database: tuple[str, Path], tmp_path: Path
) -> None:
    pin = find_pin(filled, 4)
    with open_registry(*database, pin=pin) as registry:
        assert registry.pin == registry.head
        assert registry.head.pin == pin
        assert len(registry.constants(RUN)) == 2
        assert len(registry.versions.list()) == 2
        assert [revision.revision for revision in registry.log()] == [4, 3, 2, 1]
        assert registry.tags.list() == []
        assert registry.find_head("later").number == 3
        assert registry.find_head(-1).number == 3
        assert registry.find_head("now").number == 4
        assert registry.panels.list(as_of="1990-01-01T00:00:00Z") == []
        for later in (5, "6", find_pin(filled, 6)):
            with pytest.raises(NotFoundError, match="later than the pin"):
                registry.panels.list(as_of=later)
        with pytest.raises(NotFoundError):
            registry.panels.list(as_of=-4)
        export = registry.export(RUN, tmp_path / "constants")
        assert export.revision == 4
    document = Path(export.provenance)
    assert json.loads(document.read_text())["request"]["as_of"] is None
    assert verify_export(document, *database).problems == ()
    with open_registry(*database) as registry, pytest.raises(NotValidError):
        registry.constants(RUN)


def test_the_environment_pins_every_command(
    filled: RegistryLocation, database: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALREG_DATABASE", database[0])
    monkeypatch.setenv("CALREG_STORE", str(database[1]))
    calreg, pin = Calreg(None, monkeypatch), find_pin(filled, 4)
    newest = json.loads(calreg.run("status", "--json").stdout)["pin"]
    assert newest == find_pin(filled, 6)
    assert f"pin {newest}" in calreg.run("status").stdout
    at_four = calreg.run("validity", "M068", "--as-of", pin).stdout
    assert calreg.run("validity", "M068").stdout != at_four
    monkeypatch.setenv("CALREG_PIN", pin)
    assert calreg.run("validity", "M068").stdout == at_four
    calreg.assert_refused(3, "validity", "M068", "--as-of", "6")
    assert "pin" in calreg.run("status").stdout
    monkeypatch.setenv("CALREG_PIN", "4-0123456789abcdef")
    for command in (("validity", "M068"), ("status",), ("log",)):
        assert calreg(*command).code == 5
    monkeypatch.setenv("CALREG_PIN", "9-0123456789abcdef")
    assert calreg("validity", "M068").code == 3
    for text in ("4", "4-0123", "spring"):
        monkeypatch.setenv("CALREG_PIN", text)
        result = calreg("validity", "M068")
        assert (result.code, "CALREG_PIN" in result.stderr) == (2, True)


def test_nothing_is_written_under_a_pin(
    filled: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_panel_folder(tmp_path / "new", 2)
    before = sorted((filled.store / "objects").rglob("*"))
    pin = find_pin(filled, 4)
    with open_registry(filled.database, filled.store, pin=pin) as registry:
        for write in (
            lambda: registry.panels.add("170505-149520170815-3d00f7"),
            lambda: registry.versions.add(PANEL_A, tmp_path / "new", valid_from="2019-01-01T00:00:00Z"),
            lambda: registry.tags.add("spring"),
            lambda: registry.tags.add("spring", dry_run=True),
            lambda: registry.revert(5, comment="wrong"),
            lambda: registry.verify(collect=True),
            registry.mend_guards,
        ):
            with pytest.raises(RequestError, match="pinned"):
                write()
        assert registry.verify().problems == ()
    monkeypatch.setenv("CALREG_PIN", pin)
    for action in (
        lambda: create_registry(filled.database, filled.store),
        lambda: upgrade_database(filled.database),
        lambda: serve(Settings(filled.database, filled.store), "127.0.0.1", 8420, 1, Options(), print),
    ):
        with pytest.raises(RequestError, match="CALREG_PIN"):
            action()
    assert sorted((filled.store / "objects").rglob("*")) == before
    monkeypatch.delenv("CALREG_PIN")
    assert read_status(filled.database, filled.store).revision == 6


@pytest.mark.sqlite_suffices
def test_a_pin_of_another_registry_or_of_a_fork_is_refused(filled: RegistryLocation, tmp_path: Path) -> None:
    other = RegistryLocation(f"sqlite:///{tmp_path / 'other.sqlite'}", tmp_path / "other")
    create_registry(other.database, other.store)
    with other.open() as registry:
        registry.panels.add(PANEL_A)
    with pytest.raises(ConflictError):
        open_registry(other.database, other.store, pin=find_pin(filled, 1))
    with pytest.raises(NotFoundError):
        open_registry(other.database, other.store, pin=find_pin(filled, 4))
    with pytest.raises(ConflictError):
        open_registry(other.database, other.store, pin=find_pin(filled, 1).replace("1-", "0-"))


def test_a_pin_is_known_by_its_form() -> None:
    assert parse_pin("2018-4f4a7c033166d624").number == 2018
    for text in (
        "",
        "4",
        "4-4f4a7c033166d62",
        "4-4f4a7c033166d6245",
        "04-4f4a7c033166d624",
        "4:4f4a7c033166d624",
    ):
        assert not is_pin(text)
        with pytest.raises(RegistryError):
            parse_pin(text)
    assert Registry.pin.fget is not None
