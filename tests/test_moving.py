"""A registry moves from either sort of database to either, whole; and is never open in two places."""

from pathlib import Path

import pytest

from registry.api import Registry
from registry.api.moving import copy_registry
from tests.conftest import RegistryPlace
from tests.copies import answers, facts, fill


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that is not there, or holds nothing."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("empty_postgres")
        return url
    return f"sqlite:///{tmp_path / 'moved' / 'registry.sqlite'}"


@pytest.fixture
def filled(registry: Registry, tmp_path: Path) -> Registry:
    fill(registry, tmp_path / "made")
    return registry


def test_every_row_of_every_table_moves_as_it_is(place: RegistryPlace, filled: Registry, target: str) -> None:
    before, answered = facts(place.database), answers(filled)
    done = copy_registry(target, None, place.database, place.store)
    assert facts(target) == before
    assert all(before.values())
    assert (done.registry, done.revision, done.files) == (filled.id, len(filled.log()), 0)
    assert {name: count for name, count in done.rows.items() if name != "closure"} == {
        name: len(rows) for name, rows in before.items()
    }
    with RegistryPlace(target, place.store).open() as moved:
        assert answers(moved) == answered
        assert moved.differences() == []
        assert moved.verify().problems == ()
        assert moved.tags.add("moved").revision == done.revision + 1
    assert facts(place.database) == before
