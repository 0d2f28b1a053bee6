"""``--local``: times as a person reads them, which can be pasted back."""

import pytest

from registry.cli import local_times
from registry.timezones import find_zone
from testing.panels import PANEL_A
from testing.registries import RegistryLocation
from tests.cli import Calreg

LOCAL, UTC = "2018-02-10T00:15:00-08:00", "2018-02-10T08:15:00Z"


@pytest.fixture
def calreg(sqlite_location: RegistryLocation, monkeypatch: pytest.MonkeyPatch) -> Calreg:
    calreg = Calreg(sqlite_location, monkeypatch)
    monkeypatch.delenv("CALREG_TIMEZONE", raising=False)
    calreg.run("init", "--timezone", "America/Los_Angeles")
    calreg.run("panel", "add", PANEL_A, "--alias", "M068")
    calreg.run("version", "gap", PANEL_A, "--kind", "gain", "--valid-from", UTC, "-m", "x")
    calreg.run("run", "add", "exp=e:run=1", "--begin", UTC)
    return calreg


def test_answers_notes_and_refusals_are_local_and_scripts_get_utc(calreg: Calreg) -> None:
    assert LOCAL in calreg.run("run", "show", "exp=e:run=1", "--local").stdout
    assert LOCAL in calreg.run("validity", "M068", "--local").stdout
    assert LOCAL in calreg.run("log", "--local").stdout
    refused = calreg("validity", "M068", "--kind", "gain", "--at", "20180210001500", "--local")
    assert refused.code == 4
    assert LOCAL in refused.stderr
    assert "Z" not in refused.stderr.replace("Zurich", "")
    for name in ("json", "csv"):
        assert UTC in calreg.run("run", "list", "--local", "--format", name).stdout
    assert calreg("validity", "M068", "--kind", "gain", "--at", UTC, "--local", "--json").stderr.count(UTC)


def test_a_local_time_can_be_pasted_back(calreg: Calreg) -> None:
    outcome = calreg.run("run", "add", "exp=e:run=1", "--begin", LOCAL, "--local")
    assert "nothing to change" in outcome.stdout


def test_what_somebody_typed_stays_in_the_log(calreg: Calreg, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["calreg", "tag", "add", "a", "--as-of", UTC])
    calreg.run("tag", "add", "a", "--comment", f"seen {UTC}")
    assert f"seen {UTC}" in calreg.run("log", "--limit", "1", "--local").stdout


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at 2018-02-10T08:15:00Z.", "at 2018-02-10T00:15:00-08:00."),
        ("at 2018-02-10T08:15:00.000001Z;", "at 2018-02-10T00:15:00.000001-08:00;"),
        ("(2018-07-10T08:15:00Z)", "(2018-07-10T01:15:00-07:00)"),
        ("/data/2018-02-10T08:15:00Z/g0.npy", None),
        ("/data/run-2018-02-10T08:15:00Z.npy", None),
        ("2018-02-10T08:15:00Z.npy", None),
        ("0001-01-01T00:00:00Z", None),
        ("1800-01-01T00:00:00Z", None),  # the offset of that time has seconds
        ("2018-02-30T08:15:00Z", None),
    ],
)
def test_instants_are_rewritten_and_names_are_not(text: str, shown: str | None) -> None:
    with local_times._print_local_times():
        local_times.use_zone(find_zone("America/Los_Angeles"))
        assert local_times.rewrite(text) == (text if shown is None else shown)
    assert local_times.rewrite("2018-02-10T08:15:00Z") == "2018-02-10T08:15:00Z"
