"""The simulation of a facility, and the page that shows it."""

import pytest

from documentation.scale import (
    FRONTS,
    NODES,
    PAGE,
    Front,
    compute_transfer,
    format_tables,
    simulate,
    simulate_fronts,
)


@pytest.mark.slow
def test_the_page_shows_what_is_computed() -> None:
    assert format_tables(simulate_fronts()) in PAGE.read_text()


def test_a_simulation_of_few_nodes_asks_every_question_and_loses_none() -> None:
    alone = simulate(Front("one worker", 1), nodes=2)
    assert alone.questions == 2 * 64 * 2
    assert 0 < alone.median <= alone.late <= alone.longest
    behind = simulate(FRONTS[3], nodes=2)
    assert behind.questions < 20
    assert simulate(FRONTS[3], nodes=2) == behind


def test_the_link_cannot_be_faster_than_its_bytes() -> None:
    end, _ = compute_transfer(10, 1)
    assert end >= NODES * 384 * 2**20 / 1.25e9
