"""The questions that are asked about a run or a detector beside what its constants are made from.

An answer stands for the same question only, so these are those of the usual commands in their usual forms: what
is valid, and the run, its panels and their versions. What is of panels and versions is asked once for all runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from registry.api.array_questions import resolve_detector
from registry.api.deployment_questions import read_source_answers
from registry.api.questions import show_named
from registry.api.remote.backend import RemoteBackend
from registry.api.remote.nouns import RemoteDetectors, RemotePanels, RemoteRuns, RemoteVersions
from registry.api.timeline_questions import find_validity_facts
from registry.identifiers import is_dataset
from registry.instants import Instant, parse_instant
from registry.provenance.document import Resolution

Question = Callable[[], object]


def list_questions_about(
    backend: RemoteBackend,
    target: str,
    sources: Sequence[str | None],
    at: Instant | None,
    kinds: Sequence[str],
) -> list[Question]:
    """Return the questions about a run or a detector that has these sources, at the instant that was named."""
    versions = RemoteVersions(backend)
    questions: list[Question] = [
        partial(versions.validity, target),
        partial(versions.validity, target, at=at),
        partial(versions.validity, target, at=at, kinds=kinds or None),
        partial(versions.validity, target, kinds=kinds or None),
        partial(backend.answer, find_validity_facts, target),
    ]
    for source in sources:
        questions += [
            partial(versions.validity, target, source=source),
            partial(backend.answer, show_named, target, source=source),
        ]
    if is_dataset(target):
        questions += [
            partial(RemoteRuns(backend).show, target),
            partial(RemoteDetectors(backend).show, target),
        ]
    return questions


def list_questions_of_resolution(
    backend: RemoteBackend, target: str, resolution: Resolution
) -> list[Question]:
    """Return the questions about what the constants of a run or a detector are made from."""
    versions, panels = RemoteVersions(backend), RemotePanels(backend)
    instant = parse_instant(resolution.instant)
    of_types = [None, *([name] for name in resolution.types)]
    kinds = list(dict.fromkeys(one.kind for panel in resolution.panels for one in panel.constants))
    questions: list[Question] = [
        partial(versions.validity, target, at=instant),
        partial(versions.validity, resolution.detector_id),
        partial(versions.validity, resolution.detector_id, at=instant),
        *(partial(versions.validity, target, kinds=[kind]) for kind in kinds),
        *(partial(backend.answer, resolve_detector, target, types=types) for types in of_types),
    ]
    run, configuration = resolution.run, resolution.configuration
    if (
        run is not None and configuration is not None
    ):  # the folder that an export may be written into is checked
        source = run.experiment, configuration.source
        questions += [
            partial(read_source_answers, backend, source, kind, backend.pin.number) for kind in kinds
        ]
    for panel in resolution.panels:
        for name in [panel.panel] if panel.alias is None else [panel.panel, panel.alias]:
            questions += [
                partial(versions.validity, name),
                partial(backend.answer, show_named, name),
                partial(panels.list, name),
                partial(backend.answer, find_validity_facts, name),
            ]
        questions += [partial(versions.show, one.version) for one in panel.constants]
    return questions
