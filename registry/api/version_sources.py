"""The constants that are to be registered: folders and maker's files, checked, with the panels that they are of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import sqlalchemy as sa

from registry import detectors
from registry.api.delivery_matches import match_delivery
from registry.api.version_targets import refuse_detector_id
from registry.authorship import escape_undecodable
from registry.database.change import Change
from registry.errors import RegistryError
from registry.files import translate_os_errors
from registry.importers import gain_maps, panel_folders
from registry.importers.deliveries import Delivery
from registry.importers.gain_maps import GainMaps
from registry.importers.panel_folders import PanelFolder
from registry.instants import Instant
from registry.lookup import versions
from registry.lookup.aliases import describe_other_times
from registry.lookup.targets import find_target
from registry.parallel import Progress, map_in_threads
from registry.records import DeliveryMatch, Panel


class Place(NamedTuple):
    """A folder or a maker's file, the panels that its constants are of, and the M-number that names these, if so.

    ``is_single`` is false where others are for the same module: its files are checked, and compared with nothing.
    """

    path: Path
    panels: tuple[Panel, ...]
    m_number: str | None
    name: str
    is_single: bool = True


class Selection(Protocol):
    """The places of what is to be registered: their panels are looked up before, and again under the writers' lock."""

    def find(
        self, connection: sa.Connection, revision: int | None, start: Instant
    ) -> tuple[list[Place], list[RegistryError]]:
        """Return the places of constants with their panels at a start of validity, and what is wrong with others."""


@dataclass(frozen=True, slots=True)
class NamedPanel:
    """A panel Id or an M-number, and the place of its constants."""

    panel: str
    path: Path

    def find(
        self, connection: sa.Connection, revision: int | None, start: Instant
    ) -> tuple[list[Place], list[RegistryError]]:
        """Return the one place; what is wrong with the name is raised."""
        target = refuse_detector_id(find_target(connection, self.panel, revision, start))
        m_number = target.name if target.category == "alias" else None
        return [Place(self.path, target.panels, m_number, str(self.path))], []


@dataclass(frozen=True, slots=True)
class DeliveredPanels:
    """A delivery, and the panel Ids that are chosen where a module has several."""

    delivery: Delivery
    chosen: tuple[str, ...]

    def find(
        self, connection: sa.Connection, revision: int | None, start: Instant
    ) -> tuple[list[Place], list[RegistryError]]:
        """Return the places whose names mean one module, and what is wrong with the others."""
        matches, problems = match_delivery(connection, self.delivery, self.chosen, revision, start)
        places = [
            Place(match.item.path, match.panels, match.m_number, match.item.relative, match.is_single)
            for match in matches
        ]
        return places, problems


@dataclass(frozen=True, slots=True)
class Source:
    """Checked constants, and their place."""

    place: Place
    constants: PanelFolder | GainMaps

    @property
    def source_path(self) -> str:
        """The path as it is recorded."""
        return escape_undecodable(str(self.place.path.absolute()))

    def list_matches(self) -> list[DeliveryMatch]:
        """Return which panels the constants are matched to."""
        kinds = tuple(constants.kind for constants in self.constants.constants)
        name = escape_undecodable(self.place.name)
        return [DeliveryMatch(name, panel.panel, panel.alias, kinds) for panel in self.place.panels]


@contextmanager
def open_sources(
    places: Sequence[Place],
    kinds: Sequence[str] | None,
    progress: Progress,
    *,
    allow_nonfinite: bool,
    allow_odd: bool,
) -> Iterator[tuple[list[Source], list[RegistryError]]]:
    """Check folders and convert maker's files, in threads; return those that are sound, and what is wrong with others.

    The converted files exist inside the context.
    """
    with ExitStack() as stack:
        is_file = [gain_maps.is_gain_maps_file(place.path) for place in places]
        converted = stack.enter_context(gain_maps.make_conversion_folder()) if any(is_file) else None

        def check(task: tuple[int, Place]) -> Source | RegistryError:
            index, place = task
            detector = detectors.find_panel_type(place.panels[0].panel)
            try:
                if converted is None or not is_file[index]:
                    return Source(
                        place,
                        panel_folders.read_panel_folder(
                            place.path, detector, kinds, allow_nonfinite=allow_nonfinite, allow_odd=allow_odd
                        ),
                    )
                # Refuses the file of another module before it is read.
                gain_maps.list_module_name_notes(place.path, place.panels)
                folder = converted / str(index)
                with translate_os_errors("made", folder, "a folder for the converted maps"):
                    folder.mkdir()
                return Source(
                    place,
                    gain_maps.convert_into(
                        folder,
                        place.path,
                        detector,
                        kinds,
                        allow_nonfinite=allow_nonfinite,
                        allow_odd=allow_odd,
                    ),
                )
            except RegistryError as error:
                return error

        with progress("checking modules", len(places)) as advance:
            results = []
            for result in map_in_threads(check, enumerate(places)):
                results.append(result)
                advance()
        yield (
            [result for result in results if isinstance(result, Source)],
            [result for result in results if isinstance(result, RegistryError)],
        )


def note_places(change: Change, places: Sequence[Place], start: Instant) -> None:
    """Note what else the M-numbers stand for by which panels were found."""
    for place in places:
        if place.m_number is not None:
            change.notes += describe_other_times(
                change.connection, place.m_number, start, change.visible_revision
            )


def note_constants(change: Change, source: Source) -> None:
    """Note what should be known of constants, and of the name of their place; warn of what may be wrong."""
    place, constants = source.place, source.constants
    change.warnings += constants.warnings
    change.notes += constants.notes
    if constants.conversion is None:
        # A folder may have any name.
        change.warnings += gain_maps.find_module_name_conflicts(place.path, place.panels)
    else:
        change.notes += gain_maps.list_module_name_notes(place.path, place.panels)


def note_unrecorded_conversions(change: Change, sources: Sequence[Source]) -> None:
    """Note the versions that were stated already, and do not say that a converted file holds their constants."""
    conversions = {
        (panel.panel, constants.kind): source.constants.conversion
        for source in sources
        if source.constants.conversion is not None
        for panel in source.place.panels
        for constants in source.constants.constants
    }
    if not conversions:
        return
    known = versions.list_versions_with_numbers(change.connection, change.unchanged, change.visible_revision)
    for version in known:
        conversion = conversions.get((version.panel, version.kind))
        if conversion is not None and version.conversion != conversion:
            change.notes.append(
                f"version {version.version} states these constants already; that {conversion.file} holds them is not"
                " recorded with it"
            )
