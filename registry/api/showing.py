"""Show a thing by its name: a run, detector, panel, module, version, revision, export, tag or file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from registry import instants
from registry.api.backend import Backend, ReadTransaction
from registry.api.file_questions import list_named_categories
from registry.api.mirror_refusals import refuse_mirror
from registry.errors import NotFoundError, RequestError
from registry.heads import LARGEST_NUMBER
from registry.identifiers import (
    Dataset,
    find_near,
    is_dataset,
    is_m_number,
    quote,
)
from registry.lookup import log, versions
from registry.lookup.detector_names import list_detector_names
from registry.lookup.log import LogScope
from registry.lookup.recorded_exports import list_recorded_exports
from registry.lookup.revisions import AsOfRef
from registry.lookup.stored_files import list_verified_files
from registry.lookup.summaries import summarise_detector, summarise_panel, summarise_run
from registry.lookup.tags import list_tags, unknown_tag_error
from registry.lookup.targets import idle_source_error
from registry.records import Revision, Subject, VersionContents

_MAX_CHANGES = 20  # of a revision, on one screen
_NUMBER = re.compile(r"[0-9]+", re.ASCII)
_MAX_DIGITS = 10
_ID_CATEGORIES = ("alias", "panel", "detector")
_FORMS = "version:12, revision:12 or export:12"


class _Request(NamedTuple):
    """The registry, and the rest of a request."""

    backend: Backend
    source: str | None
    as_of: AsOfRef
    with_files: bool


def show(
    backend: Backend, name: str, source: str | None, as_of: AsOfRef, *, with_files: bool = True
) -> Subject:
    """Return what a name stands for, a file only `with_files`; see `Registry.show`."""
    request = _Request(backend, source, as_of, with_files)
    category, rest = _split_category(name, with_files=with_files)
    if category in _ID_CATEGORIES and rest == name:
        category = _choose_category(request, category, name)
    subject = _SHOWN[category](request, rest)
    if source is not None and subject.category != "run":
        raise idle_source_error(name)
    return subject


def show_local_file(backend: Backend, name: str, source: str | None, as_of: AsOfRef) -> Subject | None:
    """Return what is known of a file of this machine, None where the name is not that of one.

    Only its checksums and patterns are asked for. The name of a file and of something else is refused.
    """
    category, rest = _split_category(name, with_files=True)
    if category == "name" and _is_file(name):
        others = backend.answer(list_named_categories, name, as_of=as_of)
        if others:
            raise _several_things_error(name, [*others, "file"])
        category = "file"
    if category != "file":
        return None
    subject = _show_file(_Request(backend, source, as_of, with_files=True), rest)
    if source is not None:
        raise idle_source_error(name)
    return subject


def _split_category(name: str, *, with_files: bool) -> tuple[str, str]:
    """Return the category of a name and the name in it; refuse a bare number."""
    if _NUMBER.fullmatch(name):
        raise RequestError(f"{quote(name)} is the number of many things: write {_FORMS}", name=name)
    prefix, colon, rest = name.partition(":")
    if colon and prefix in _SHOWN:
        return prefix, rest
    if is_dataset(name):
        return "run", name
    if is_m_number(name):
        return "alias", name
    if "/" in name:
        return "file", name
    if "-" in name and not (with_files and _is_file(name)):
        return ("detector" if "_" in name else "panel"), name
    return "name", name


def _choose_category(request: _Request, category: str, name: str) -> str:
    """Return the category of a name with the form of an Id, which a tag may have too; refuse one that is both."""
    with request.backend.read_transaction(request.as_of) as view:
        if all(tag.tag != name for tag in list_tags(view.connection, view.revision)):
            return category
        try:
            view.find_target(name)
        except (NotFoundError, RequestError):
            return "tag"
    raise _several_things_error(name, [category, "tag"])


def _several_things_error(name: str, categories: Sequence[str]) -> RequestError:
    forms = ", ".join(f"{category}:{name}" for category in categories)
    return RequestError(f"{quote(name)} is a name of several things: write one of {forms}", name=name)


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # too long, or a NUL in it
        return False


def _show_run(request: _Request, name: str) -> Subject:
    with request.backend.read_transaction(request.as_of) as view:
        dataset = Dataset.parse(name)
        summary = summarise_run(view.connection, dataset, request.source, view.revision)
        return Subject("run", str(dataset), view.revision, run=summary)


def _show_detector(request: _Request, name: str) -> Subject:
    with request.backend.read_transaction(request.as_of) as view:
        panels = view.find_target(name).panels
        state = summarise_detector(view.connection, panels, instants.now(), view.revision)
        return Subject("detector", name, view.revision, detector=state)


def _show_panels(request: _Request, name: str) -> Subject:
    with request.backend.read_transaction(request.as_of) as view:
        target, now = view.find_target(name), instants.now()
        panels = tuple(summarise_panel(view.connection, panel, now, view.revision) for panel in target.panels)
        return Subject(target.category, target.name, view.revision, panels=panels)


def _show_version(request: _Request, name: str) -> Subject:
    number = _parse_number("a version", name)
    with request.backend.read_transaction(request.as_of) as view:
        record = versions.find_version(view.connection, number, view.revision)
        files = list_verified_files(view.connection, [record]).get(record.constants or "", ())
        return Subject("version", str(number), view.revision, version=VersionContents(record, tuple(files)))


def _show_revision(request: _Request, name: str) -> Subject:
    with request.backend.read_transaction(request.as_of) as view:
        number = view.find_revision_number(_parse_number("a revision", name))
        return Subject("revision", name, view.revision, revision=_read_revision(view, number))


def _read_revision(view: ReadTransaction, number: int) -> Revision:
    (record,), _ = log.list_revisions(view.connection, number + 1, 1, LogScope(), _MAX_CHANGES)
    return record


def _show_export(request: _Request, name: str) -> Subject:
    number = _parse_number("an export", name)
    refuse_mirror(request.backend, "this question")
    with request.backend.read_transaction(request.as_of) as view:
        newest = list_recorded_exports(view.connection, view.revision, number + 1, 1)
        if not newest or newest[0].export != number:
            last = list_recorded_exports(view.connection, view.revision, LARGEST_NUMBER, 1)
            known = f"the newest is {last[0].export}" if last else "none is recorded"
            raise NotFoundError(f"export {number} is not known as of revision {view.revision}; {known}")
        return Subject("export", name, view.revision, export=newest[0])


def _show_tag(request: _Request, name: str) -> Subject:
    with request.backend.read_transaction(request.as_of) as view:
        tags = {tag.tag: tag for tag in list_tags(view.connection, view.revision)}
        if name not in tags:
            raise unknown_tag_error(name, tags.values())
        record = _read_revision(view, tags[name].revision)
        return Subject("tag", name, view.revision, tag=tags[name], revision=record)


def _show_file(request: _Request, name: str) -> Subject:
    if not request.with_files:
        raise RequestError(
            f"{quote(name)} would be a file of the service's machine, which it does not show", name=name
        )
    from registry.api.identification import identify_as_of  # with numpy, which only a file needs

    revision, identity = identify_as_of(request.backend, Path(name), request.as_of)
    return Subject("file", name, revision, identity=identity)


def _show_named(request: _Request, name: str) -> Subject:
    """Show the detector, tag or file with this name; refuse a name of several, and one that nothing has."""
    with request.backend.read_transaction(request.as_of) as view:
        detectors = {named.name for named in list_detector_names(view.connection, view.revision)}
        tags = {tag.tag for tag in list_tags(view.connection, view.revision)}
    known = {
        "detector": name in detectors,
        "tag": name in tags,
        "file": request.with_files and _is_file(name),
    }
    fitting = [category for category, is_known in known.items() if is_known]
    if len(fitting) > 1:
        raise _several_things_error(name, fitting)
    if fitting:
        return _SHOWN[fitting[0]](request, name)
    near = find_near(name, detectors | tags)
    also = f"; near: {', '.join(near)}" if near else ""
    raise NotFoundError(
        f"{quote(name)} is neither a run (exp=xcsls3716:run=631), a panel Id, an M-number, a detector, a tag nor a"
        f" file, nor {_FORMS}{also}",
        name=name,
        near=near,
    )


def _parse_number(what: str, text: str) -> int:
    if not _NUMBER.fullmatch(text) or len(text) > _MAX_DIGITS:
        raise RequestError(f"{quote(text)} is not the number of {what}: 1, 2, 3 ... is expected")
    return int(text)


_SHOWN: dict[str, Callable[[_Request, str], Subject]] = {
    "run": _show_run,
    "detector": _show_detector,
    "panel": _show_panels,
    "alias": _show_panels,
    "version": _show_version,
    "revision": _show_revision,
    "export": _show_export,
    "tag": _show_tag,
    "file": _show_file,
    "name": _show_named,
}
