"""Pictures of a service: the bytes of the command line under URLs that may be kept, and what is not drawn."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from registry.api import drawings
from registry.errors import UnavailableError
from registry.service.options import Options
from registry.service.pictures import limit_time
from testing.panels import PANEL_A, PANEL_B, use_small_panels, write_panel_folder
from testing.registries import RegistryLocation
from testing.services import serve_in_thread
from tests.cli import Calreg
from tests.test_service import Client

pytestmark = pytest.mark.small_panels

DETECTOR = f"{PANEL_A}_{PANEL_B}"
RUN = "exp=xcsls3716:run=631"
AT = "2018-02-01T00:00:00Z"
PICTURES = [
    (f"validity/{RUN}.svg", f"validity {RUN}"),
    (f"validity/M068.png?kind=gain&at={AT}", f"validity M068 --kind gain --at {AT}"),
    ("history/M068.svg?units=true", "history M068 --units"),
    (f"constants/{RUN}.svg", f"constants {RUN}"),
    (
        f"constants/{DETECTOR}.svg?at={AT}&panels=true&type=pixel_gain",
        f"constants {DETECTOR} --at {AT} --panels --type pixel_gain",
    ),
    ("constants/2.png?gain_range=1", "constants 2 --gain-range 1"),
    ("diff/1/3.svg?relative=true&without_uniform=true", "diff 1 3 --relative --without-uniform"),
]


class Place(NamedTuple):
    """A registry, and a client of its service."""

    location: RegistryLocation
    client: Client


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A registry with a run of two panels, and its service."""
    factory = request.getfixturevalue(f"{request.param}_factory")
    folder = tmp_path_factory.mktemp("files")
    with use_small_panels():
        location = factory.make(request.param)
        with location.open() as registry:
            for seed, panel in enumerate((PANEL_A, PANEL_B)):
                registry.panels.add(panel, alias="M068" if panel == PANEL_A else None)
                registry.versions.add(
                    panel, write_panel_folder(folder / str(seed), seed), valid_from="2018-01-01T00:00:00Z"
                )
            registry.runs.add(RUN, begin=AT)
            registry.detectors.configure("xcsls3716", "Xcs.0:Jungfrau.0", DETECTOR, first_run=631)
        with serve_in_thread(location) as url:
            yield Place(location, Client(url))
        factory.remove(location)


@pytest.mark.slow
@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(
    ("path", "command"),
    [pytest.param(*PICTURES[0], marks=pytest.mark.on_both_databases), *PICTURES[1:]],
    ids=[command.partition(" ")[0] for _, command in PICTURES],
)
def test_a_picture_has_the_bytes_of_the_command_line(
    place: Place, path: str, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    suffix = path.partition("?")[0].rpartition(".")[2]
    file = tmp_path / f"picture.{suffix}"
    Calreg(place.location, monkeypatch).run("plot", *command.split(), "--output", str(file))
    answer = place.client(f"{place.client.pin}/plot/{path}")
    assert (answer.status, answer.headers["content-type"]) == (200, drawings.MEDIA_TYPES[suffix])
    assert answer.headers["cache-control"] == "public, max-age=86400"
    assert answer.data == file.read_bytes()


def count_drawn(client: Client) -> str:
    """Return the line of the metrics that counts the pictures which were drawn."""
    text = client("/metrics").data.decode()
    return next(line for line in text.splitlines() if line.startswith("calreg_drawing_seconds_count"))


def test_a_picture_is_drawn_once(place: Place) -> None:
    client = place.client
    path = f"{client.pin}/plot/validity/M068.svg?kind=offset"
    head = client(path, "HEAD")
    drawn = count_drawn(client)
    picture = client(path)
    assert (head.status, head.data) == (200, b"")
    assert head.headers["content-length"] == str(len(picture.data))
    assert head.headers["etag"] == picture.headers["etag"]
    unchanged = client(path, if_none_match=picture.headers["etag"])
    assert (unchanged.status, unchanged.data) == (304, b"")
    assert count_drawn(client) == drawn


def test_a_picture_that_the_browser_has_is_not_drawn_again_by_another_worker(place: Place) -> None:
    path = f"{place.client.pin}/plot/validity/M068.svg"
    etag = place.client(path).headers["etag"]
    with serve_in_thread(place.location) as url:
        other = Client(url)
        assert other(path, if_none_match=etag).status == 304
        assert count_drawn(other) == "calreg_drawing_seconds_count 0"


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("validity/M067.svg", 404, 3),
        ("validity/M068.gif", 400, 2),
        ("validity/M068", 400, 2),
        ("validity/.svg", 400, 2),
        ("validity/M068.svg?kind=pedestals", 422, 4),
        ("validity/M068.svg?at=yesterday", 400, 2),
        ("validity/M068.svg?as_of=1", 400, 2),
        ("validity/M068.svg?form=record", 400, 2),
        ("history/M068.png?units=true&percent=true", 400, 2),
        ("constants/99.png", 404, 3),
        ("constants/1.png?panels=true", 400, 2),
        (f"constants/1.png?at={AT}", 400, 2),
        ("constants/1.png?gain_range=7", 400, 2),
        ("constants/1.png?geometry=a.geom", 400, 2),
        (f"constants/{RUN}.png?at=2016-01-01T00:00:00Z", 422, 4),
        ("constants/..%2F..%2Fetc%2Fpasswd.png", 400, 2),
        ("constants/etc.png", 404, 3),
        ("diff/1/2.svg", 400, 2),
        ("diff/1.svg/3.svg", 400, 2),
        ("diff/1.svg", 404, 2),
        ("nothing/1.svg", 404, 2),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_its_code(
    place: Place, path: str, status: int, code: int
) -> None:
    assert place.client.refuse(f"{place.client.pin}/plot/{path}") == (status, code)


def test_a_picture_of_another_history_is_refused(place: Place) -> None:
    assert place.client.refuse("/v1/r/1-0000000000000000/plot/validity/M068.svg") == (409, 5)
    assert place.client.refuse("/v1/r/999-0000000000000000/plot/validity/M068.svg") == (503, 8)


@pytest.mark.sqlite_suffices
def test_a_damaged_file_is_not_drawn(place: Place) -> None:
    path = f"{place.client.pin}/plot/constants/4.png"
    with place.location.open() as registry:
        _, files = registry.versions.show(4)
    stored = place.location.store / "objects" / files[0].sha256[:2] / f"{files[0].sha256}.npy"
    content = stored.read_bytes()
    stored.chmod(0o644)
    stored.write_bytes(content[:-1] + b"?")
    assert place.client.refuse(path) == (500, 6)
    stored.write_bytes(content)
    assert place.client(path).status == 200


@pytest.mark.sqlite_suffices
def test_pictures_that_too_many_wait_for_are_refused_for_a_moment(place: Place) -> None:
    with serve_in_thread(place.location, Options(drawings=0)) as url:
        client = Client(url)
        path = f"{client.pin}/plot/validity/M068.svg"
        assert client.refuse(path) == (503, 8)
        assert client(path).headers["retry-after"] == "2"


@pytest.mark.sqlite_suffices
def test_a_picture_of_more_panels_or_marks_than_are_drawn_is_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = place.client.pin
    monkeypatch.setattr(drawings, "MAX_PANELS", 1)
    for path in (f"validity/{RUN}.svg?kind=gain", f"history/{RUN}.png", f"constants/{RUN}.png"):
        assert place.client.refuse(f"{pin}/plot/{path}") == (400, 2)
    monkeypatch.setattr(drawings, "MAX_MARKS", 1)
    assert place.client.refuse(f"{pin}/plot/history/M068.png") == (400, 2)


@pytest.mark.sqlite_suffices
def test_without_matplotlib_pictures_are_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    path = f"{place.client.pin}/plot/history/{PANEL_B}.svg"
    assert place.client.refuse(path) == (503, 8)
    assert "pip install 'calreg[plots]'" in place.client(path).json()["error"]["message"]


def test_the_arrays_of_a_picture_are_read_for_a_limited_time() -> None:
    with limit_time(-1)("reading constants", 2) as advance, pytest.raises(UnavailableError):
        advance()
    with limit_time(60)("reading constants", 2) as advance:
        advance()


def test_the_openapi_document_names_the_pictures(place: Place) -> None:
    document = place.client.get("/v1/openapi.json")
    described = document["paths"]["/v1/r/{pin}/plot/constants/{target}.{suffix}"]["get"]
    assert {parameter["name"] for parameter in described["parameters"]} == {
        *("pin", "target", "suffix", "source", "at", "type", "gain_range", "panels")
    }
    assert set(described["responses"]["200"]["content"]) == {"image/svg+xml", "image/png"}
