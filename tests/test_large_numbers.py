"""Numbers that no column holds, in every question that takes one: answered or refused as on SQLite, in our words."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from registry.api import Registry
from registry.api.parameters import Sort
from registry.api.readings import READINGS, Reading
from registry.errors import RequestError
from testing.clients import Client
from testing.registries import RegistryLocation
from testing.services import serve_in_thread
from tests.copies import fill_registry
from tests.refusals import assert_refused

pytestmark = pytest.mark.small_panels

RUN = "exp=xcsls3716:run=1"
LARGE = "2147483648"
VALUES = {
    "target": RUN,
    "dataset": RUN,
    "experiment": "xcsls3716",
    "category": "panels",
    "digest": "0" * 64,
    "sha256": "0" * 64,
    "version": "1",
    "before": "1",
    "after": "2",
    "revision": "2",
    "since": "2",
}


def _list_urls(reading: Reading, pin: str, registry_id: str) -> Iterator[str]:
    numbers = [p for p in reading.parameters if p.sort in {Sort.NUMBER, Sort.NUMBERS, Sort.REVISION}]
    for parameter in numbers:
        path, query = reading.path, []
        if parameter.name in {"first_run", "last_run"}:
            has_formats = any(other.name == "format" for other in reading.parameters)
            query.append(("format", "psana") if has_formats else ("deployed", "XcsEndstation.0:Jungfrau.0"))
        for other in reading.parameters:
            text = (
                LARGE if other is parameter else {**VALUES, "registry": registry_id}.get(other.name, "M068")
            )
            if f"{{{other.name}}}" in path:
                path = path.replace(f"{{{other.name}}}", text)
            elif other is parameter or other.is_required:
                query.append((other.url_name, text))
        yield f"{'/v1' if reading.is_live else pin}/{path}?{urlencode(query)}"


def test_no_number_is_too_large_for_a_question(
    location: RegistryLocation, registry: Registry, tmp_path: Path
) -> None:
    fill_registry(registry, tmp_path / "made")
    with serve_in_thread(location) as url:
        client = Client(url)
        pin = client.pin
        paths = [path for reading in READINGS for path in _list_urls(reading, pin, registry.id)]
        for path in paths:
            answer = client(path)
            assert answer.status < 500, path
            assert b"cannot hold" not in answer.data, path
        assert len(paths) > 40


def test_a_range_ends_with_the_largest_run_at_most(registry: Registry, tmp_path: Path) -> None:
    fill_registry(registry, tmp_path / "made")
    for first, last in ((1, 2**31), (2**31, None), (2**31, 2**31), (3, 2), (1, 10**30)):
        with assert_refused(RequestError, first_run=first, last_run=last):
            registry.export(RUN, tmp_path / "calib", format="psana", first_run=first, last_run=last)
    assert not (tmp_path / "calib").exists()
