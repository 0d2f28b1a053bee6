"""Mix-ups of modules among live versions, as they were recorded before maps were compared.

Of two maps of one sensor under two modules, one is a mix-up. That is the one which the other maps of its module
contradict, or which is alone where the other is supported; where they stand equally, the one that was recorded later
is named, as undecided.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from registry.lookup.file_uses import Module
from registry.lookup.live_maps import LiveMap, list_live_maps
from registry.lookup.map_standings import JudgedMap, MapKey, Standing, judge_live_maps
from registry.parallel import Progress
from registry.patterns import Outcome
from registry.records import RecordedMixUp

SAME_BYTES = "same bytes"


class MixUps(NamedTuple):
    """The mix-ups, those that were stated as meant, and sentences on what only may be one."""

    recorded: tuple[RecordedMixUp, ...]
    allowed: tuple[RecordedMixUp, ...]
    notes: tuple[str, ...]


def find_mix_ups(connection: sa.Connection, progress: Progress) -> MixUps:
    """Return the live maps that are of another module than their version says, as bytes and patterns tell."""
    search = _Search(connection, progress)
    search.compare_bytes()
    search.compare_patterns()
    search.note_unlike_maps()
    mix_ups = sorted(search.mix_ups, key=lambda mix_up: (mix_up.version, mix_up.kind, mix_up.gain_range))
    return MixUps(
        tuple(mix_up for mix_up in mix_ups if not mix_up.allowed),
        tuple(mix_up for mix_up in mix_ups if mix_up.allowed),
        tuple(search.notes),
    )


class _Search:
    def __init__(self, connection: sa.Connection, progress: Progress) -> None:
        self._uses: dict[MapKey, list[LiveMap]] = defaultdict(list)
        self._holders: dict[str, list[Module]] = defaultdict(list)
        for use in list_live_maps(connection):
            if use.module not in self._holders[use.file]:
                self._holders[use.file].append(use.module)
            self._uses[use.file, use.module].append(use)
        self._judged = judge_live_maps(connection, self._holders, progress)
        self._maps_of_module: dict[Module, list[MapKey]] = {}
        self._named: set[MapKey] = set()
        self._decided: set[MapKey] = set()  # those of them of which the other one is not in question
        self.mix_ups: list[RecordedMixUp] = []
        self.notes: list[str] = []

    def compare_bytes(self) -> None:
        """Find the files that two modules have."""
        preferred: set[tuple[Module, Module]] = set()  # the module whose files they are, and the other
        # Files with a pattern first: they tell whose the others are.
        for file in sorted(self._holders, key=lambda file: not self._has_pattern(file)):
            holders = self._holders[file]
            if all(module.is_same(holders[0]) for module in holders):
                continue
            owner = self._choose_owner(file, preferred)
            others = [module for module in holders if not module.is_same(owner)]
            if self._uses[file, owner][0].is_flat:
                self.notes.append(self._describe_flat(file, [owner, *others]))
                continue
            for other in others:
                decided = self._stand(file, owner) > self._stand(file, other)
                if decided:
                    preferred.add((owner, other))
                self._add_same_bytes((file, other), (file, owner), decided or (owner, other) in preferred)

    def _has_pattern(self, file: str) -> bool:
        return any((file, module) in self._judged for module in self._holders[file])

    def _stand(self, file: str, module: Module) -> Standing:
        """Return the standing of a map; what certainly is a mix-up contradicts no other."""
        judged = self._judged.get((file, module))
        if judged is None:
            return Standing.ALONE
        if judged.standing is Standing.CONTRADICTED and self._decided.issuperset(
            self._list_others((file, module))
        ):
            return Standing.ALONE
        return judged.standing

    def _choose_owner(self, file: str, preferred: set[tuple[Module, Module]]) -> Module:
        """Return the module that a file is of: the best standing one, of equal ones the first that was recorded."""
        holders = self._holders[file]
        return max(
            holders,
            key=lambda module: (
                self._stand(file, module),
                sum((module, other) in preferred for other in holders),
                -self._uses[file, module][0].version,
            ),
        )

    def _add_same_bytes(self, key: MapKey, owner: MapKey, is_decided: bool) -> None:
        self._named.add(key)
        if is_decided:
            self._decided.add(key)
        names = {module.name for module in self._holders[key[0]]}
        stated_of_owner = any(use.same_as == key[1].name for use in self._uses[owner])
        for use in self._uses[key]:
            allowed = stated_of_owner or use.same_as in names
            self.mix_ups.append(
                self._build(use, SAME_BYTES, owner, undecided=not is_decided, allowed=allowed)
            )

    def compare_patterns(self) -> None:
        """Find the maps whose patterns are those of another module, or turned: first those that are decided.

        Those contradict no other map any more, which may decide more of them.
        """
        for takes_undecided in (False, False, True):
            for key, judged in self._judged.items():
                if key in self._named:
                    continue
                if judged.has_rival and judged.rival_file is not None:
                    others = self._list_keys(judged.rival_file, key[1], own=False)
                    self._compare_with(key, "other", others, takes_undecided=takes_undecided)
                elif judged.outcome is Outcome.TURNED and judged.own_file is not None:
                    others = self._list_keys(judged.own_file, key[1], own=True)
                    self._compare_with(key, "turned", others, takes_undecided=takes_undecided)

    def _list_keys(self, file: str, module: Module, *, own: bool) -> list[MapKey]:
        return [(file, other) for other in self._holders[file] if other.is_same(module) is own]

    def _compare_with(
        self, key: MapKey, outcome: str, others: Sequence[MapKey], *, takes_undecided: bool
    ) -> None:
        other = max(others, key=lambda other: (self._stand(*other), -self._uses[other][0].version))
        standing, other_standing = self._stand(*key), self._stand(*other)
        is_undecided = standing == other_standing
        is_later = self._uses[key][0].version > self._uses[other][0].version
        if standing > other_standing or (is_undecided and not (takes_undecided and is_later)):
            return
        self._named.add(key)
        if not is_undecided:
            self._decided.add(key)
        is_other_allowed = all(use.pattern_allowed for use in self._uses[other])
        for use in self._uses[key]:
            allowed = use.pattern_allowed or is_other_allowed
            self.mix_ups.append(self._build(use, outcome, other, undecided=is_undecided, allowed=allowed))

    def note_unlike_maps(self) -> None:
        """Note the maps that fit none of their module, nor any other."""
        for key, judged in self._judged.items():
            if key not in self._named and judged.outcome is Outcome.UNLIKE and judged.own is not None:
                others = [other for other in self._list_others(key) if other not in self._named]
                is_first = all(self._uses[key][0].version < self._uses[other][0].version for other in others)
                is_contradicted = any(self._stand(*other) is Standing.SUPPORTED for other in others)
                if others and (not is_first or is_contradicted):
                    self.notes.append(self._describe_unlike(key, judged))

    def _list_others(self, key: MapKey) -> Iterator[MapKey]:
        """Yield the other maps of the module that has a map."""
        file, module = key
        if module not in self._maps_of_module:
            maps = [other for other in self._judged if other[1].is_same(module)]
            self._maps_of_module[module] = maps
        return (other for other in self._maps_of_module[module] if other[0] != file)

    def _describe_unlike(self, key: MapKey, judged: JudgedMap) -> str:
        use = self._uses[key][0]
        best = 0.0 if judged.own is None else judged.own.as_it_is
        allowed = "; it was stated as meant" if use.pattern_allowed else ""
        return (
            f"version {use.version}: {use.kind} of gain range {use.gain_range} fits no other map of {use.module}, at"
            f" most by {best:.2f}, and no other module: a repaired sensor?{allowed}"
        )

    def _describe_flat(self, file: str, holders: Sequence[Module]) -> str:
        use = self._uses[file, holders[0]][0]
        names = ", ".join(str(module) for module in holders)
        return (
            f"{use.kind} of gain range {use.gain_range} in version {use.version} has one value in every pixel, and"
            f" several modules have that file: {names}"
        )

    def _build(
        self, use: LiveMap, outcome: str, other: MapKey, *, undecided: bool, allowed: bool
    ) -> RecordedMixUp:
        judged = self._judged.get((use.file, use.module))
        own = judged.own if judged is not None else None
        fit = None
        if judged is not None and outcome != SAME_BYTES:
            fit = own if outcome == "turned" else judged.rival
        return RecordedMixUp(
            version=use.version,
            panel=use.panel,
            kind=use.kind,
            gain_range=use.gain_range,
            module=use.module.name,
            outcome=outcome,
            looks_like=other[1].name,
            with_version=self._uses[other][0].version,
            correlation=None if fit is None else round(fit.correlation, 4),
            orientation=None if fit is None else str(fit.orientation),
            own_correlation=None if own is None else round(own.as_it_is, 4),
            undecided=undecided,
            allowed=allowed,
        )
