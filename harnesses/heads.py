"""Commands to kill that make, replace or complete the head of a store: fork, recover, seal."""

from __future__ import annotations

from harnesses.commands import Inspection, Rows, Trial
from harnesses.copies import FilledCommand, TransferTrial, find_target
from harnesses.rows import read_rows
from harnesses.tampering import open_behind_guards
from registry import schema
from registry.heads import HeadFile
from testing.panels import PANELS
from testing.stores import has_marker


class Fork(FilledCommand):
    """Make an independent registry in an empty database of the same sort, with a store of its own."""

    name = "fork"

    def make_trial(self, number: int) -> TransferTrial:  # noqa: ARG002
        location, target = self.factory.copy(self.template), self.factory.make_empty(self.dialect)
        to = ("--to", target.database, "--to-store", str(target.store))
        return TransferTrial(location, (*self.build_arguments(), *to), target)

    def build_arguments(self) -> tuple[str, ...]:
        return ("fork", "--comment", "for the other beamline")

    def read_state(self, trial: Trial) -> Rows:
        return read_rows(find_target(trial))

    def can_conflict(self, trial: Trial) -> bool:
        return _has_owner(trial)

    def inspect(self, trial: Trial) -> Inspection:
        inspection = super().inspect(trial)
        target = find_target(trial)
        if _has_owner(trial):
            with target.open() as registry:
                problems = registry.verify().problems
            inspection.problems.extend(f"fork: {problem.problem}" for problem in problems)
        else:
            inspection.leftovers["fork without an owner"] = int(bool(read_rows(target)))
        return inspection

    def remove(self, trial: Trial) -> None:
        super().remove(trial)
        self.factory.remove(find_target(trial))


def _has_owner(trial: Trial) -> bool:
    return has_marker(find_target(trial).store)


class Recover(FilledCommand):
    """Go on with a database that was put back to an earlier state than its store knows."""

    name = "database recover"

    def prepare(self) -> None:
        super().prepare()
        self.older = self.factory.copy(self.template)
        with self.template.open() as registry:
            registry.versions.gap(PANELS[0], valid_from="2020-01-01T00:00:00Z", comment="warm")
        head = HeadFile(self.template.store).read()
        assert head is not None  # noqa: S101 - there are revisions
        HeadFile(self.older.store).write(head)
        self.before = read_rows(self.older)

    def make_trial(self, number: int) -> Trial:  # noqa: ARG002
        return Trial(self.factory.copy(self.older), self.build_arguments())

    def build_arguments(self) -> tuple[str, ...]:
        head = HeadFile(self.older.store).read()
        lost = "" if head is None else str(head.committed)
        return ("database", "recover", "--lost-head", lost, "--comment", "a disk failed")

    def can_conflict(self, trial: Trial) -> bool:
        return read_rows(trial.location) != self.before

    def inspect(self, trial: Trial) -> Inspection:
        # Until then verify says that the database is an older copy.
        return Inspection() if read_rows(trial.location) == self.before else super().inspect(trial)


class SealRevision(FilledCommand):
    """Seal a revision that raw SQL recorded."""

    name = "database seal"

    def prepare(self) -> None:
        super().prepare()
        with open_behind_guards(self.template) as connection:
            newest = connection.execute(
                schema.revision.select().order_by(schema.revision.c.number.desc()).limit(1)
            ).one()
            self.number = newest.number + 1
            unsealed = newest._asdict() | {"number": self.number, "comment": "by raw SQL"}
            connection.execute(schema.revision.insert(), unsealed)
        self.before = read_rows(self.template)

    def build_arguments(self) -> tuple[str, ...]:
        return ("database", "seal", str(self.number), "--comment", "a tool was killed")

    def can_conflict(self, trial: Trial) -> bool:
        return read_rows(trial.location) != self.before

    def inspect(self, trial: Trial) -> Inspection:
        return Inspection() if read_rows(trial.location) == self.before else super().inspect(trial)
