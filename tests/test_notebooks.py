"""Records at a Python prompt, in a notebook, in pandas and in xarray: short, harmless, complete."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from msgspec import structs

import registry
from registry.api import Registry
from registry.database.transactions import Database
from registry.errors import UnavailableError
from registry.instants import BEGINNING, Instant, parse_iso
from registry.provenance import read
from registry.records import InlinePicture, Outcome, Revision, Validity, Version
from registry.records.display import MAX_ROWS, PNG
from testing.panels import NEW_A, PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from tests.refusals import assert_refused

HOSTILE = "</td><script>alert(1)</script><b onclick='x' a=\"\x1b[31m\u202e" + "very long " * 1000
AT = "2018-02-10T08:15:00Z"


@pytest.fixture
def filled(sqlite_location: RegistryLocation, tmp_path: Path, small_panels: None) -> Iterator[Registry]:
    """Two panels, of which one bears an M-number, with gain, offset and status."""
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_A, alias="M068")
        registry.panels.add(PANEL_B)
        kinds = ("gain", "offset", "status")
        for seed, panel in enumerate((PANEL_A, PANEL_B)):
            folder = write_panel_folder(tmp_path / panel, seed, kinds)
            registry.versions.add(panel, folder, valid_from="beginning", comment=HOSTILE)
        registry.versions.gap(
            PANEL_A, valid_from="9999-12-31T23:59:59Z", kinds=["gain"], comment=HOSTILE, any_time=True
        )
        registry.detectors.configure("xcsls3716", "X.0:Jungfrau.0", f"{PANEL_A}_{PANEL_B}", first_run=1)
        registry.runs.add("exp=xcsls3716:run=631", begin=AT)
        yield registry


class Tags(HTMLParser):
    """Collects what a browser would read of a piece of HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.rows = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.rows += tag == "tr"


def render_html(value: object) -> str:
    """Return its HTML, which is a small table and nothing else."""
    html = value._repr_html_()  # type: ignore[attr-defined]
    document = Tags(html)
    assert document.tags <= {"table", "caption", "b", "thead", "tbody", "tr", "th", "td"}
    assert document.attributes <= {"style", "colspan"}
    assert html.isprintable()
    assert len(html) < 50_000
    return html


def version(number: int, **other: object) -> Version:
    values: dict[str, object] = {
        "version": number, "panel": PANEL_A, "alias": "M068", "kind": "gain", "valid_from": Instant(number),
        "valid_to": None, "constants": "ab" * 32, "recorded_in": 1, "withdrawn_in": None, "comment": HOSTILE,
        "carried_from": None, "source_path": None, "nonfinite_allowed": False,
    }  # fmt: skip
    return Version(**(values | other))  # type: ignore[arg-type]


def test_a_version_is_one_line() -> None:
    assert repr(version(12, valid_from=BEGINNING)) == (
        f"<Version 12: gain of {PANEL_A} (M068) from beginning, abababab>"
    )
    gap = version(
        13, alias=None, valid_from=parse_iso(AT), valid_to=parse_iso(AT), constants=None, withdrawn_in=6
    )
    assert repr(gap) == f"<Version 13: gain of {PANEL_A} from {AT} until {AT}, gap, withdrawn in 6>"
    assert "withdrawn in" in render_html(gap)
    assert "&lt;script&gt;" in render_html(version(12))


def test_any_number_of_ranges_is_shown_in_a_few_lines() -> None:
    many = Validity(tuple(map(version, range(26_000))), instant=parse_iso(AT))
    lines = repr(many).splitlines()
    assert lines[0] == f"<Validity: 26000 ranges of 1 panel at {AT}"
    assert lines[-1] == "  ... and 25994 more>"
    assert len(lines) == 8
    html = render_html(many)
    assert Tags(html).rows == 1 + MAX_ROWS + 1
    assert f"... and {26_000 - MAX_ROWS} more" in html
    assert repr(Validity(())) == "<Validity: 0 ranges of 0 panels>"
    assert Tags(render_html(Validity(()))).rows == 1


def test_a_large_outcome_is_shown_in_one_line() -> None:
    many = tuple(map(version, range(1000)))
    facts = ["x" * 1000] * 1000
    assert repr(Outcome(5, versions=many, facts=facts)) == (
        "<Outcome: revision 5; 1000 versions, 1000 facts>"
    )
    assert repr(Outcome(None, unchanged=many[:1])) == "<Outcome: no change; 1 unchanged>"
    assert repr(Outcome(None, dry_run=True)) == "<Outcome: dry run>"
    revision = Revision(
        5, parse_iso(AT), "ana", None, "vm", "calreg x", HOSTILE, "calreg", tuple(facts), 1000
    )
    assert repr(revision).isprintable()
    assert len(repr(revision)) < 250
    assert repr(revision).endswith("...; 1000 changes>")
    assert repr(structs.replace(revision, seal="a" * 64)).startswith(f"<Revision 5:{'a' * 16} of ")


def test_a_registry_shows_its_location_without_the_password(
    sqlite_location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite_location.open("America/Los_Angeles") as registry:
        assert repr(registry) == (
            f"<Registry {registry.id} in {sqlite_location.database}, store {str(sqlite_location.store)!r}>"
        )
        assert "America/Los_Angeles" in render_html(registry)
        url = "postgresql://ana:hush-hush@db/calreg"
        monkeypatch.setattr(registry._backend.database, "url", url)
        for text in (repr(registry), render_html(registry), repr(registry._backend)):
            assert "hush" not in text
        assert "postgresql://ana:***@db/calreg" in repr(registry)
    assert isinstance(registry._backend.database, Database)


def test_constants_and_their_provenance_are_shown_in_a_few_lines(filled: Registry) -> None:
    constants = filled.constants("exp=xcsls3716:run=631", types=["pixel_gain", "pixel_status"])
    revision = f"revision 7:{filled.head.seal[:16]}"
    assert repr(constants).splitlines() == [
        f"<DetectorConstants: exp=xcsls3716:run=631 at {AT}, {revision}",
        " pixel_gain    (3, 2, 4, 6) float32 ADU/keV",
        " pixel_status  (3, 2, 4, 6) uint64 1>",
    ]
    assert repr(constants.provenance) == (
        f"<Document: pixel_gain, pixel_status of exp=xcsls3716:run=631 at {AT}, 2 panels, {revision}, of registry"
        f" {filled.id}>"
    )
    html = render_html(constants)
    assert Tags(html).rows == 3 + 5
    assert html.endswith(render_html(constants.provenance))


@pytest.mark.slow
def test_an_untrusted_document_is_shown_without_harm(filled: Registry, tmp_path: Path) -> None:
    filled.export("exp=xcsls3716:run=631", tmp_path / "out")
    path = tmp_path / "out" / "provenance.json"
    document = json.loads(path.read_text())
    document["registry"]["id"] = document["request"]["target"] = HOSTILE
    document["resolution"]["types"] = document["request"]["types"] = [HOSTILE] * 100
    document["resolution"]["instant"] = document["resolution"]["panels"][0]["alias"] = HOSTILE
    path.write_text(json.dumps(document))
    render_html(read(path))
    assert repr(read(path)).isprintable()
    assert len(repr(read(path))) < 1000


@pytest.mark.slow
def test_ranges_become_a_frame_with_one_row_per_range(filled: Registry) -> None:
    frame = filled.validity(PANEL_A).to_pandas()
    assert list(frame["kind"]) == ["gain", "gain", "offset", "status"]
    assert list(frame["version"]) == [1, 7, 2, 3]
    assert frame["valid_from"].dtype == frame["valid_to"].dtype == "datetime64[us, UTC]"
    # The beginning and "still valid" are not instants; the year 9999 is one, beyond nanoseconds.
    assert frame["valid_from"].isna().tolist() == [True, False, True, True]
    assert frame["valid_to"].isna().tolist() == [False, True, True, True]
    far = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert frame["valid_from"][1].to_pydatetime() == frame["valid_to"][0].to_pydatetime() == far
    assert frame["is_gap"].tolist() == [False, True, False, False]
    assert frame["constants"].isna().tolist() == [False, True, False, False]
    assert set(frame["alias"]) == {"M068"}
    assert frame["comment"][0] == HOSTILE
    assert frame.groupby("kind")["version"].count().to_dict() == {"gain": 2, "offset": 1, "status": 1}


@pytest.mark.slow
def test_an_empty_frame_has_the_same_columns(filled: Registry) -> None:
    filled.panels.add(NEW_A)
    empty, full = filled.validity(NEW_A).to_pandas(), filled.validity(PANEL_A).to_pandas()
    assert len(empty) == 0
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()


def test_no_instant_of_a_frame_is_rounded() -> None:
    odd = [Instant(-62135596800000000), Instant(1), Instant(1518250500123457)]
    frame = Validity(
        tuple(version(number, valid_from=instant) for number, instant in enumerate(odd))
    ).to_pandas()
    assert [start.to_pydatetime() for start in frame["valid_from"]] == [instant.datetime for instant in odd]
    assert frame["withdrawn_in"].isna().all()
    assert pd.api.types.is_integer_dtype(frame["withdrawn_in"])


@pytest.mark.slow
def test_constants_become_a_dataset_with_named_axes(filled: Registry) -> None:
    constants = filled.constants("exp=xcsls3716:run=631", types=["pixel_gain", "pixel_status"])
    dataset = constants.to_xarray()
    assert dataset.sizes == {"gain_range": 3, "panel": 2, "row": 4, "column": 6}
    assert dataset["panel"].values.tolist() == [PANEL_A, PANEL_B]
    assert dataset["alias"].values.tolist() == ["M068", ""]
    assert np.shares_memory(dataset["pixel_gain"].values, constants["pixel_gain"])
    assert dataset["pixel_status"].dtype == np.uint64
    one = dataset["pixel_gain"].sel(panel=PANEL_B, gain_range=2)
    assert (one.values == constants["pixel_gain"][2, 1]).all()
    assert one.attrs == {"long_name": "gain", "units": "count keV-1", "unit": "ADU/keV", "kind": "gain"}
    assert dataset.attrs["revision"] == 7
    assert (dataset.attrs["experiment"], dataset.attrs["run"]) == ("xcsls3716", 631)
    assert dataset.attrs["source"] == "X.0:Jungfrau.0"
    document = json.loads(dataset.attrs["provenance"])
    assert document["resolution"]["panels"][1]["panel"] == PANEL_B


@pytest.mark.slow
def test_every_attribute_can_be_written_to_a_file(filled: Registry) -> None:
    for target, at in (("exp=xcsls3716:run=631", None), (PANEL_B, AT)):
        dataset = filled.constants(target, at=at).to_xarray()
        for attributes in (dataset.attrs, *(variable.attrs for variable in dataset.variables.values())):
            assert {type(value) for value in attributes.values()} <= {str, int}
        assert all(coordinate.dtype.kind in "iU" for coordinate in dataset.coords.values())
    assert "run" not in dataset.attrs


@pytest.mark.slow
def test_the_error_for_a_missing_package_names_the_command_that_installs_it(
    filled: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranges, constants = filled.validity(PANEL_A), filled.constants("exp=xcsls3716:run=631")
    for package, convert in (("pandas", ranges.to_pandas), ("xarray", constants.to_xarray)):
        monkeypatch.setitem(sys.modules, package, None)
        with assert_refused(UnavailableError) as caught:
            convert()
        assert f"pip install 'calreg[{package}]'" in caught.value.message


@pytest.mark.slow
def test_a_picture_without_a_file_shows_itself_and_leaves_nothing_in_the_folder(
    filled: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    picture = filled.plots.validity("M068")
    assert (type(picture), picture.path, picture._repr_svg_()) == (InlinePicture, None, None)
    assert (picture._repr_png_() or b"").startswith(PNG)
    assert repr(picture) == f"<InlinePicture: in memory, as of revision {picture.revision}>"
    assert list(Path().iterdir()) == []
    filled.plots.validity("M068", "same.png")
    assert Path("same.png").read_bytes() == picture._repr_png_()


@pytest.mark.slow
def test_a_picture_in_a_file_shows_that_file(filled: Registry, tmp_path: Path) -> None:
    drawn = filled.plots.validity("M068", tmp_path / "a.svg")
    assert (drawn._repr_svg_() or "").startswith("<?xml ")
    assert drawn._repr_png_() is None
    assert repr(drawn) == f"<Picture: {str(tmp_path / 'a.svg')!r}, as of revision {drawn.revision}>"
    for content in (b"", b"other", PNG + b"...", b"<?xml \xff"):
        (tmp_path / "a.svg").write_bytes(content)
        assert drawn._repr_png_() == (content if content.startswith(PNG) else None)
        assert (drawn._repr_svg_() is None) is not content.startswith(b"<?xml ")
    (tmp_path / "a.svg").unlink()
    assert (drawn._repr_png_(), drawn._repr_svg_()) == (None, None)
    (tmp_path / "a.svg").mkdir()
    assert (drawn._repr_png_(), drawn._repr_svg_()) == (None, None)


@pytest.mark.slow
def test_a_validity_is_a_sequence_of_versions(filled: Registry) -> None:
    ranges = filled.validity(PANEL_A, kinds=["gain"])
    assert len(ranges) == len(ranges.versions) == 2
    assert ranges[0] is ranges.versions[0]
    assert ranges[-1].is_gap
    assert [version.kind for version in ranges] == ["gain", "gain"]


@pytest.mark.slow
def test_the_error_for_an_unknown_array_names_the_known_ones(filled: Registry) -> None:
    constants = filled.constants("exp=xcsls3716:run=631")
    with pytest.raises(KeyError, match="pixel_gain, pixel_offset"):
        constants["gain"]
    assert constants.get("gain") is None
    assert "gain" not in constants


def test_dir_lists_the_public_names_before_they_are_imported() -> None:
    output = subprocess.run(
        [sys.executable, "-c", "import registry; print(*dir(registry))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(registry.__all__) <= set(output.stdout.split())
