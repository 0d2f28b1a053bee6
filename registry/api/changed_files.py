"""A file of an export was changed: where do its values differ from those of its inputs?"""

from __future__ import annotations

from pathlib import Path

from registry.api.replaying import recipe_of
from registry.errors import RequestError
from registry.exporters.assembly import Assembly
from registry.exporters.recognising import arrays_in
from registry.lookup.suggestions import shortened
from registry.provenance import Document
from registry.store import ContentStore

CHANGED = "the bytes are not those that were written"


def where_changed(document: Document, path: Path, objects: ContentStore, changed: set[str]) -> list[str]:
    """Return a sentence for each array in the files that were changed, as far as they can be read."""
    try:
        recipe = recipe_of(document, path, objects)
    except RequestError:
        return []  # said already
    sentences = []
    for assembly in recipe.assemblies:
        name = assembly.kind.calibration_type
        file = path.parent / recipe.layout.arrays[name]
        if str(file) in changed:
            try:
                sentences.append(f"{str(file)!r}: {name} {_difference(file, assembly)}")
            except RequestError as error:
                sentences.append(f"{name} cannot be compared: {error}")
    return sentences


def _difference(file: Path, assembly: Assembly) -> str:
    with arrays_in(file) as arrays:
        for array in arrays:
            if array.name in (None, assembly.kind.calibration_type) and array.shape == assembly.shape:
                places = [
                    f"gain range {part.gain_range} of panel {part.panel}"
                    for part, found in zip(assembly.parts(), array.parts, strict=True)
                    if part.array.tobytes() != found.astype(part.array.dtype).tobytes()
                ]
                return (
                    f"has other values in {shortened(places)}"
                    if places
                    else "has the values that were written"
                )
    return "is no longer in it"
