"""Names that begin like what is searched for, on both databases."""

import pytest

from registry.api import Registry
from registry.api.name_search import search_names
from registry.heads import Head
from tests.pages import OTHER, PANEL


def _search(registry: Registry, prefix: str, as_of: Head | None = None) -> dict[str, list[str]]:
    names_by_category = search_names(registry._backend, prefix, as_of=as_of)
    return {category: [name.text for name in names] for category, names in names_by_category.items() if names}


def test_names_are_those_of_a_revision(registry: Registry) -> None:
    heads = [registry.head]
    registry.panels.add(PANEL, alias="M068")
    heads.append(registry.head)
    registry.runs.add("exp=mfxc00318:run=5", begin="2018-03-01T00:00:00Z")
    registry.detectors.configure("mfxl10", "Xcs.0:Jungfrau.0", f"{PANEL}", first_run=1)
    registry.detectors.name("mJungfrau", PANEL)
    registry.tags.add("march", as_of=heads[1])
    heads.append(registry.head)
    registry.panels.add(OTHER, alias="M088")
    registry.runs.withdraw("exp=mfxc00318:run=5", comment="counted twice")
    assert [_search(registry, "m", head) for head in heads] == [
        {},
        {"aliases": ["M068"]},
        {
            "aliases": ["M068"],
            "detector_names": ["mJungfrau"],
            "tags": ["march"],
            "experiments": ["mfxc00318", "mfxl10"],
        },
    ]
    assert _search(registry, "M")["aliases"] == ["M068", "M088"]
    assert _search(registry, "MFX") == {"experiments": ["mfxl10"]}
    assert _search(registry, PANEL[:5].upper()) == {"panels": [PANEL, OTHER]}


@pytest.mark.parametrize("prefix", ["%", "_", "M0%", "M06_", "\\", "'", "' OR 1=1 --", "\u202e", "M" * 3000])
def test_what_is_searched_for_is_letters_and_no_pattern(registry: Registry, prefix: str) -> None:
    registry.panels.add(PANEL, alias="M068")
    assert _search(registry, prefix) == {}
