"""A file of an export was changed: where do its values differ from those of its inputs?"""

from __future__ import annotations

from pathlib import Path

from registry.api.replaying import plan_replay
from registry.errors import RequestError
from registry.exporters.assembly import Assembly
from registry.exporters.recognising import detect_arrays
from registry.identifiers import shorten
from registry.provenance import Document
from registry.store import ContentStore

BYTES_CHANGED = "the bytes are not those that were written"


def describe_changed_arrays(
    document: Document, path: Path, objects: ContentStore, changed: set[str]
) -> list[str]:
    """Return a sentence for each array in the files that were changed, as far as they can be read."""
    try:
        recipe = plan_replay(document, path, objects)
    except RequestError:
        return []  # said already
    sentences = []
    for assembly in recipe.assemblies:
        name = assembly.kind.calibration_type
        file = path.parent / recipe.layout.arrays[name]
        if str(file) in changed:
            try:
                sentences.append(f"{str(file)!r}: {name} {_describe_difference(file, assembly)}")
            except RequestError as error:
                sentences.append(f"{name} cannot be compared: {error}")
    return sentences


def _describe_difference(file: Path, assembly: Assembly) -> str:
    with detect_arrays(file) as arrays:
        for array in arrays:
            if array.name in (None, assembly.kind.calibration_type) and array.shape == assembly.shape:
                places = [
                    f"gain range {part.gain_range} of panel {part.panel}"
                    for part, found in zip(assembly.read_parts(), array.parts, strict=True)
                    if part.array.tobytes() != found.astype(part.array.dtype).tobytes()
                ]
                return (
                    f"has other values in {shorten(places)}" if places else "has the values that were written"
                )
    return "is no longer in it"
