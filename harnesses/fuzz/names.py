"""Targets that parse texts: identifiers, times, locations."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from datetime import UTC
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from harnesses.fuzz.target import Target, call_parser, decode_text
from registry import detectors, identifiers, instants, settings
from registry.cli.number_lists import parse_numbers
from registry.database.engine import make_engine
from registry.detectors import newer_names
from registry.detectors.segments import complete_segments, format_segment_numbers, parse_segment_numbers
from registry.detectors.sources import find_source_problem
from registry.errors import RegistryError
from registry.identifiers import Dataset
from registry.importers.deliveries import Names, read_delivery
from registry.lookup.revisions import parse_as_of
from registry.secrets import find_misplaced_url, hide_secrets, mask_url, mask_words
from registry.timezones import find_zone

_JUNGFRAU = [
    "170505-149520170815-3d00b0",
    "171113-154920171025-",
    "8000000020000-230920-20004002C",
    "0-0-0xffffffffffffffff",
]
_EPIX = ["3926196238-0175152897-1157627926-0000000000-0000000000-0000000000-0000000000"]
_NAMES = [
    *("M068", "m0068", "gainMaps_M049_2018-02-13.bin", "xcsls3716", "XCSLS3716", "631", "2147483648"),
    *("exp=xcsls3716:run=631", "exp=:run=", "XcsEndstation.0:Jungfrau.0", "XcsEndstation.00:Jungfrau.01"),
]
_NEWER_NAMES = ["jungfrau_000003", "jungfrau_0-0-0", "jungfrau_3", "epix10ka_000001", "jungfrau"]
_INSTANTS = [
    *("20171025000000", "UTC|2017-10-25T00:00:00Z", "America/Los_Angeles|20171105013000", "beginning"),
    *(
        "2017-10-25 00:00:00.123456-07:00",
        "0001-01-01T00:00+23:59",
        "Europe/Zürich|1",
        "../UTC|99991231235959",
    ),
]
_SEGMENTS = [
    *("XcsEndstation.0:Jungfrau.0|0-3,8", "MfxEndstation.0:Epix10ka2M.0|0-15", "CxiEndstation.0:Cspad.0|0"),
    *("XcsEndstation.0:Jungfrau.0|8,0-5", "XcsEndstation.0:Jungfrau.0|0-99999999999"),
]
_NUMBERS = ["401-404,410", "1 2-3 2", "404-401", "1-99999999999", "1-6000 7000-9999"]
_AS_OF = ["7", "9999999999999", "20171025000000", "2017-10-25T00:00:00Z", "spring-2026", "beginning"]
_LOCATIONS = [
    *("sqlite:////data/registry.sqlite", "sqlite:///~nobody/x?mode=rw", "sqlite://", "~/store"),
    *("postgresql://ana:s3cret@host:5432/calreg?sslmode=require", "postgresql://[::1]:x/db?service=lab"),
    "postgresql+psycopg://ana:a@b@c/d?plugin=x&host=h1:1&host=h2:2",
]
_SECRETS = [
    *("postgresql://ana@host/db", "ana@h/db", "postgresql//ana@h/db", "postgresql:/ana@h/db", "//ana@host"),
    *(
        "postgresql://host/db?sslmode=require",
        "postgresql://host:5432?a=b@c",
        "mysql://ana@host/db",
        "host=h user@x",
    ),
    *(
        "postgres://ana@h1:1,h2:2/db?application_name=x",
        "postgresql://ana@[::1]:5432/db",
        "s3://ana@bucket/x",
    ),
]


def _text_seeds(*groups: list[str]) -> Callable[[Path], list[bytes]]:
    texts = list(itertools.chain(*groups))
    return lambda _: [text.encode() for text in texts]


def _feed_panel_id(_: Path, data: bytes) -> None:
    text = decode_text(data)
    panel = call_parser(lambda: detectors.parse_panel_id(text))
    if panel is not None:
        assert str(panel) == text
        assert text.isascii()


def _feed_detector_id(_: Path, data: bytes) -> None:
    text = decode_text(data)
    panels = call_parser(lambda: detectors.parse_detector_id(text))
    if panels is not None:
        joined = identifiers.join_detector_id(panels)
        assert text in {joined, f"{detectors.find_panel_type(panels[0]).name}_{joined}"}


def _feed_newer_name(_: Path, data: bytes) -> None:
    text = decode_text(data)
    panels = _JUNGFRAU[:1] * 2
    name = call_parser(lambda: newer_names.parse_short_name(text, "jungfrau", panels))
    assert name is None or (name == text and newer_names.is_short_name(text, "jungfrau"))
    brief = newer_names.find_own_short_name("jungfrau", ["0-0-0"])
    assert call_parser(lambda: newer_names.parse_short_name(text, "jungfrau", ["0-0-0"])) in {None, brief}
    assert newer_names.newer_source_error(text).message.isprintable()


def _feed_name(_: Path, data: bytes) -> None:
    text = decode_text(data)
    parsers: list[Callable[[str], object]] = [
        identifiers.parse_m_number,
        identifiers.parse_experiment,
        identifiers.parse_source,
        identifiers.parse_run_number,
        Dataset.parse,
    ]
    for parse in parsers:
        value = call_parser(partial(parse, text))
        assert value is None or str(value) == text
    for m_number in identifiers.extract_m_numbers(text):
        assert identifiers.parse_m_number(m_number) == m_number
    assert isinstance(identifiers.source_matches(text, text), bool)


def _feed_instant(_folder: Path, data: bytes) -> None:
    name, _, text = decode_text(data).rpartition("|")
    zone = call_parser(lambda: find_zone(name)) if name else UTC
    if zone is None:
        return
    instant = call_parser(lambda: instants.parse_start(text, zone))
    if instant is not None and instant != instants.BEGINNING:
        assert instants.parse_iso(str(instant)) == instant
    call_parser(lambda: instants.parse_iso(text))


def _feed_segments(_folder: Path, data: bytes) -> None:
    source, _, text = decode_text(data).rpartition("|")
    numbers = call_parser(lambda: parse_segment_numbers(text))
    if numbers is not None:
        assert parse_segment_numbers(format_segment_numbers(numbers)) == numbers
    panels = ["170505-149520170815-3d00b0"]
    problem = call_parser(lambda: find_source_problem(source, panels))
    taken = call_parser(lambda: complete_segments(source, panels, numbers))
    assert taken is None or (len(taken) == 1 and detectors.find_source_type(source))
    assert problem is None or problem.isprintable()


def _feed_as_of(_: Path, data: bytes) -> None:
    known = call_parser(lambda: parse_as_of(decode_text(data)))
    if known is not None:
        value = known.parameters.get("revision")
        assert not isinstance(value, int) or abs(value) < 2**63  # the range of the databases
        assert not isinstance(value, str) or "\0" not in value.encode().decode()  # PostgreSQL has no NUL


def _feed_location(folder: Path, data: bytes) -> None:
    text = decode_text(data[:200])  # messages repeat the whole text
    call_parser(lambda: settings.find_settings(text, folder))
    call_parser(lambda: settings.find_settings(f"sqlite:///{folder}/registry.sqlite", text or None))
    call_parser(lambda: settings.mask_database_url(text))
    engine = call_parser(lambda: make_engine(text))
    if engine is not None:
        engine.dispose()


_SECRET = "S3creT"  # noqa: S105 - the password that must not be seen again


def _feed_secret(folder: Path, data: bytes) -> None:
    """Put a password where it may be in a text that is given for a database's URL: nothing ever repeats it."""
    text = decode_text(data[:200])
    for url in {text.replace("@", f":{_SECRET}@", 1), text.replace("?", f"?password={_SECRET}&", 1)}:
        if _SECRET not in url or url.startswith("sqlite:///"):  # a file may have any name
            continue
        shown = [mask_url(url), hide_secrets(url, url) if mask_url(url) != "***" else ""]
        shown += mask_words(["--database", url]) + mask_words([f"--to={url}"])
        shown += mask_words([url]) if find_misplaced_url([url]) == "" else []
        for call in (
            lambda url=url: settings.find_settings(url, folder),
            lambda url=url: settings.mask_database_url(url),
            lambda url=url: make_engine(url),
        ):
            try:
                result = call()
            except RegistryError as error:
                shown += [str(error), repr(error.values)]
            else:
                if isinstance(result, Engine):
                    result.dispose()
                else:
                    shown.append(repr(result))
        assert not [sentence for sentence in shown if _SECRET in sentence], (url, shown)


def _feed_delivery(folder: Path, data: bytes) -> None:
    """Give a folder of arrays, and a file beside it, a name of any bytes."""
    text = decode_text(data[:100]).replace("/", "").replace("\0", "").strip(".")
    names = Names.read(text)
    assert all(detectors.parse_panel_id(panel).text == panel for panel in names.panels)
    assert all(identifiers.parse_m_number(number) == number for number in names.m_numbers)
    root = folder / "delivery"
    root.mkdir(exist_ok=True)
    try:
        panel = root / f"panel{text}"
        panel.mkdir()
    except OSError:  # the system has no such name
        return
    (panel / "g0_gain.npy").touch()
    (root / f"array{text}.npy").touch()
    delivery = call_parser(lambda: read_delivery(root))
    assert delivery is not None
    assert [item.path for item in delivery.items] == [panel]
    assert all(problem.message.isprintable() for problem in delivery.problems)
    shutil.rmtree(root)


def _feed_numbers(_: Path, data: bytes) -> None:
    words = decode_text(data).split(" ")
    numbers = call_parser(lambda: parse_numbers(words, "versions"))
    if numbers is not None:
        assert len(set(numbers)) == len(numbers) <= 10_000
        assert parse_numbers([",".join(map(str, numbers))], "versions") == numbers


_TYPES = tuple(
    f"registry.detectors{name}" for name in ("", ".types", ".known", ".kinds", ".jungfrau", ".epix10ka")
)
TEXT_TARGETS = [
    Target("panel-id", _feed_panel_id, _text_seeds(_JUNGFRAU, _EPIX), _TYPES),
    Target(
        "detector-id",
        _feed_detector_id,
        _text_seeds(["_".join(_JUNGFRAU[:1] * 2), "jungfrau_" + "_".join([*_JUNGFRAU, *_EPIX])], _JUNGFRAU),
        _TYPES,
    ),
    Target(
        "newer-name",
        _feed_newer_name,
        _text_seeds(_NEWER_NAMES, _JUNGFRAU),
        ("registry.detectors.newer_names",),
    ),
    Target("name", _feed_name, _text_seeds(_NAMES), ("registry.identifiers",)),
    Target("instant", _feed_instant, _text_seeds(_INSTANTS), ("registry.instants", "registry.timezones")),
    Target(
        "segments",
        _feed_segments,
        _text_seeds(_SEGMENTS),
        ("registry.detectors.segments", "registry.detectors.sources"),
    ),
    Target(
        "delivery", _feed_delivery, _text_seeds(_NAMES, _JUNGFRAU, _EPIX), ("registry.importers.deliveries",)
    ),
    Target("numbers", _feed_numbers, _text_seeds(_NUMBERS), ("registry.cli.number_lists",)),
    Target("as-of", _feed_as_of, _text_seeds(_AS_OF), ("registry.lookup.revisions",)),
    Target(
        "location",
        _feed_location,
        _text_seeds(_LOCATIONS),
        ("registry.settings", "registry.secrets", "registry.database.engine", "registry.database.servers"),
    ),
    Target("secret", _feed_secret, _text_seeds(_LOCATIONS, _SECRETS), ("registry.secrets",)),
]
