"""On PostgreSQL the newest revision is asked nearby first: the answer is that of the other statement."""

from __future__ import annotations

import random

import pytest
import sqlalchemy as sa

from registry import schema
from registry.instants import BEGINNING, LATEST, Instant, parse_instant
from registry.lookup.revisions import RevisionRef
from registry.lookup.validity import versions_at
from testing.panels import PANEL_A, PANEL_B
from testing.registries import RegistryLocation

pytestmark = pytest.mark.slow

_DAY = 86_400_000_000
_MIDDLE = parse_instant("2020-01-01T00:00:00Z")
_STARTS = [
    Instant(_MIDDLE + sign * distance)
    for sign, distance in (
        (1, 0),
        *((sign, days * _DAY + 1) for sign in (-1, 1) for days in (0, 1, 90, 7300)),
    )
]


def test_what_is_found_nearby_first_is_what_a_look_up_by_number_finds(location: RegistryLocation) -> None:
    choices = random.Random(7)  # noqa: S311 - of a test
    with location.open() as registry:
        for panel, kind in ((PANEL_A, "gain"), (PANEL_A, "offset"), (PANEL_B, "gain")):
            registry.panels.add(panel)
            starts = choices.sample(_STARTS, 4) + ([BEGINNING] if kind == "gain" else [])
            for start in starts:
                stated = "beginning" if start == BEGINNING else start
                registry.versions.gap(
                    panel, valid_from=stated, kinds=[kind], comment="no constants", any_time=True
                )
        registry.versions.withdraw(2, 6, comment="wrong")
    instants = [Instant(start + step) for start in _STARTS for step in (-1, 0, 1)] + [LATEST]
    engine = location.engine()
    with engine.connect() as connection:
        newest = connection.execute(sa.select(sa.func.max(schema.revision.c.number))).scalar_one()
        count = 0
        for width in (0, 1, _DAY, 100 * _DAY, 40_000 * _DAY):
            for instant in instants:
                connection.info["calreg_usual_width"] = width
                pairs = (connection, [PANEL_A, PANEL_B], ("gain", "offset"), instant)
                valid = versions_at(*pairs, RevisionRef("newest"))
                count += len(valid)
                assert valid == versions_at(*pairs, newest)
        assert count
    engine.dispose()
