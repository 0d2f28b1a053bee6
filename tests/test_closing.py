"""A closed database takes no writes, from SQL either; it still answers, and names where the registry went."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from registry import instants, schema
from registry.api import Registry
from registry.authorship import build_signature
from registry.database import migrations
from registry.database.closing import Reason, record_closure
from registry.database.engine import make_engine
from registry.errors import ClosedError, Remedy
from registry.secrets import mask_url
from testing.panels import PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.refusals import assert_refused

pytestmark = pytest.mark.small_panels

ELSEWHERE = "postgresql://calib:secret@db.example.org/registry"
RECORDING = [table for table in schema.metadata.sorted_tables if table.name not in ("registry", "closure")]
FACTS = [table for table in RECORDING if table.info.get("fact")]
AT = "2018-01-01T00:00:00Z"


def _close(registry: Registry, reason: Reason = "departure") -> None:
    with registry._backend.database.write_transaction(build_signature()) as change:
        record_closure(change.connection, reason, mask_url(ELSEWHERE), instants.now(), build_signature())


def _refusal(location: RegistryLocation, statement: str) -> str:
    engine = location.engine()
    try:
        with engine.begin() as connection:
            connection.execute(sa.text(statement))
    except sa.exc.DBAPIError as error:
        return str(error.orig)
    finally:
        engine.dispose()
    return "nothing was refused"


@pytest.fixture
def filled(registry: Registry, tmp_path: Path) -> Registry:
    """A registry with a row in every table."""
    registry.set_timezone("Europe/Zurich")
    registry.panels.add(PANEL_A, alias="M068")
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "constants"), valid_from="beginning")
    registry.runs.add("exp=xcsls3716:run=1", begin="20170601000000")
    registry.detectors.configure("xcsls3716", "XcsEndstation.0:Jungfrau.0", PANEL_A, first_run=1)
    registry.export("exp=xcsls3716:run=1", tmp_path / "export")
    registry.detectors.name("xcs", PANEL_A)
    registry.tags.add("first")
    loss = {"reason": "loss", "ancestor": registry.id, "head_revision": 99, "head_seal": "a" * 64}
    registry._backend.record_revision(lambda change: change.record(schema.lineage, [loss]), None)
    return registry


@pytest.mark.slow
def test_raw_sql_records_nothing_in_a_closed_registry(location: RegistryLocation, filled: Registry) -> None:
    _close(filled)
    for table in RECORDING:
        reason = _refusal(location, f"INSERT INTO {table.name} SELECT * FROM {table.name} LIMIT 1")
        assert f"append-only: {table.name}: the registry is closed to writes" in reason
    for table in FACTS:
        newest = "(SELECT max(number) FROM revision)"
        reason = _refusal(location, f"UPDATE {table.name} SET withdrawn_in = {newest}")
        assert f"append-only: {table.name}: the registry is closed to writes" in reason
    for statement in ("DELETE FROM closure", "UPDATE closure SET opened_at = closed_at + 1"):
        assert "append-only: closure: " in _refusal(location, statement)
    again = (
        "INSERT INTO closure SELECT number + 1, reason, place, closed_at, opened_at, author, database_role,"
    )
    assert "the registry is closed already" in _refusal(
        location, again + " host, command, software, tag, timezone FROM closure"
    )


@pytest.mark.parametrize("reason", ["departure", "snapshot"])
def test_a_departure_or_snapshot_is_never_opened(
    location: RegistryLocation, registry: Registry, reason: Reason
) -> None:
    _close(registry, reason)
    for change in ("opened_at = closed_at", "reason = 'arrival', opened_at = closed_at"):
        assert "append-only: closure: this UPDATE is refused" in _refusal(
            location, f"UPDATE closure SET {change}"
        )


def test_an_arrival_is_opened_once_and_takes_writes_then(
    location: RegistryLocation, registry: Registry
) -> None:
    _close(registry, "arrival")
    with location.open() as opened, assert_refused(ClosedError, remedy=Remedy.CONTINUE_COPY):
        opened.panels.add(PANEL_A)
    registry._backend.database.open_for_writes()
    assert registry.panels.add(PANEL_A).revision == 1
    assert "this UPDATE is refused" in _refusal(location, "UPDATE closure SET opened_at = opened_at + 1")


def test_every_writer_is_refused_with_the_new_url_and_without_its_password(
    location: RegistryLocation, filled: Registry
) -> None:
    before = filled.log()
    _close(filled)
    with location.open() as opened:
        for registry in (filled, opened):  # opened before and after
            with assert_refused(ClosedError, reason="departure") as refusal:
                registry.panels.add(PANEL_B)
            assert refusal.value.values["place"].startswith("postgresql://calib:")
            assert "secret" not in f"{refusal.value} {refusal.value.values}"
            with pytest.raises(ClosedError):
                registry.tags.add("second", dry_run=True)
        assert opened.log() == before


@pytest.mark.slow
def test_a_closed_registry_answers_exports_and_verifies(
    location: RegistryLocation, filled: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _close(filled)
    calreg = Calreg(location, monkeypatch)
    shown = calreg.run("validity", "M068", "--at", AT)
    assert "note: the registry moved to postgresql://calib:***@db.example.org/registry at 20" in shown.stderr
    done = calreg.run("export", f"jungfrau_{PANEL_A}", "--at", AT, "--output", tmp_path / "out", "--json")
    assert done.json["recorded"] is False
    assert "the export is not recorded: the registry moved to" in done.stderr + str(done.json["notes"])
    assert "the registry moved to" in calreg.run("verify").stderr
    # The store may serve the registry in its new place: what is of no use here may be of use there.
    calreg.assert_refused(5, "verify", "--collect")
    assert calreg.assert_refused(5, "tag", "add", "later")["kind"] == "ClosedError"
    assert filled.differences() == []


def test_a_look_up_in_a_snapshot_prints_no_note(
    location: RegistryLocation, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    _close(registry, "snapshot")
    assert Calreg(location, monkeypatch).run("panel", "list").stderr == ""


@pytest.mark.slow
def test_going_below_0003_is_refused_where_a_registry_was_closed_or_arrived(
    location: RegistryLocation, registry: Registry
) -> None:
    _close(registry)
    engine = make_engine(location.database)
    with pytest.raises(RuntimeError, match="1 closures or arrivals; going below schema 0003 would lose them"):
        migrations.downgrade(engine, "0002")
    engine.dispose()
    assert registry.differences() == []
