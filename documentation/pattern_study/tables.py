"""The tables of docs/patterns.md."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from documentation.pattern_study.measurements import STORED_PATTERNS, RealMap, Timings
from documentation.pattern_study.trials import MAIN_CASE, SCENARIOS, CaseResult
from registry.patterns import FITTING, OWN_FITTING, Orientation, Outcome

_REFUSED = {Outcome.OTHER, Outcome.TURNED}


def write_correlations(results: Mapping[str, CaseResult]) -> list[str]:
    """Return the table of correlations by case, and what thresholds make of them."""
    rows = []
    for name, result in results.items():
        lowest, median = np.quantile(result.same, [0.01, 0.5])
        rows.append(
            (
                name,
                f"{result.trials}",
                f"{median:.3f}",
                f"{lowest:.3f}",
                f"{np.std(result.others):.4f}",
                f"{np.abs(result.others).max():.3f}",
                _format_share(float(np.mean(result.same < OWN_FITTING))),
                _format_share(float(np.mean(result.same < FITTING))),
            )
        )
    heads = (
        "conditions",
        "maps",
        "same: median",
        "1 % below",
        "others: deviation",
        "largest",
        f"same < {OWN_FITTING:g}",
        f"same < {FITTING:g}",
    )
    return list(_format_table(heads, rows))


def write_verdicts(results: Mapping[str, CaseResult]) -> list[str]:
    """Return the table of verdicts in every scenario of the main case."""
    result = results[MAIN_CASE]
    rows = [
        (scenario, right.name, *(f"{result.outcomes[scenario][outcome]}" for outcome in Outcome))
        for scenario, right in SCENARIOS.items()
    ]
    return list(_format_table(("the map is of", "right", *(outcome.name for outcome in Outcome)), rows))


def write_rates(results: Mapping[str, CaseResult]) -> list[str]:
    """Return the table of right and wrong refusals by case."""
    own, mixed, first, turned, *_ = SCENARIOS
    rows = [
        (
            name,
            _share_of(result, own, _REFUSED),
            _share_of(result, own, {Outcome.UNLIKE}),
            _share_of(result, mixed, _REFUSED),
            _share_of(result, first, _REFUSED),
            _share_of(result, turned, _REFUSED),
        )
        for name, result in results.items()
    ]
    heads = (
        "conditions",
        "honest: refused",
        "honest: warned",
        "mix-ups: refused",
        "first maps of another: refused",
        "turned: refused",
    )
    return list(_format_table(heads, rows))


def write_false_alarms(results: Mapping[str, CaseResult]) -> list[str]:
    """Return a sentence on how often another sensor passes the threshold, as the deviation lets expect."""
    correlations = np.concatenate(
        [result.others.reshape(-1, len(Orientation))[:, 0] for result in results.values()]
    )
    mean, deviation = float(correlations.mean()), float(correlations.std())
    distance = (FITTING - mean) / deviation
    once = math.erfc(distance / math.sqrt(2)) / 2
    sentence = (
        f"Of {correlations.size:,} correlations with other sensors as they are, the mean was {mean:.3f} and the"
        f" standard deviation {deviation:.4f}; the largest was {correlations.max():.3f}. The threshold of {FITTING:.2f}"
        f" is {distance:.1f} deviations above the mean: a normal number is larger with a probability of"
        f" {_format_probability(once)}, and one of {STORED_PATTERNS:,} with"
        f" {_format_probability(STORED_PATTERNS * once)}."
    )
    return textwrap.wrap(sentence, 120)


def write_differences(differences: NDArray[np.float64]) -> list[str]:
    """Return a sentence on how far the correlations with two maps of one sensor are apart."""
    sentence = (
        f"In {differences.size} trials the correlations of a map with two earlier ones of its sensor, all with 2 %"
        f" noise, were apart by {float(np.std(differences)):.3f} (standard deviation), at most"
        f" {float(np.abs(differences).max()):.3f}."
    )
    return textwrap.wrap(sentence, 120)


def write_timings(timings: Timings) -> list[str]:
    """Return the table of processor times."""
    rows = [
        (name, f"{median:.1f}", f"{largest:.1f}")
        for name, (median, largest) in (
            ("pattern of a map of 512 x 1024 pixels", timings.compute),
            (f"best twenty of {STORED_PATTERNS:,} by signs, reading not included", timings.search),
        )
    ]
    return list(_format_table(("processor time in ms", "median", "largest"), rows))


def write_real_map(real: RealMap) -> list[str]:
    """Return the table of a real map's correlations with itself."""
    rows = [
        (f"with {noise:g} % noise", f"{values.mean():.3f}", f"{values.min():.3f} to {values.max():.3f}")
        for noise, values in real.measured_again.items()
    ]
    for name, values in (("in another orientation", real.mirrored), ("moved on by ASICs", real.shifted)):
        rows.append((name, f"{values.mean():.3f}", f"{values.min():.3f} to {values.max():.3f}"))
    return list(_format_table(("the map with itself", "mean correlation", "from and to"), rows))


def replace_section(page: str, name: str, lines: Iterable[str]) -> str:
    """Return a page with these lines between the marks of that name."""
    begin, end = f"<!-- study: {name} -->\n", f"<!-- end of {name} -->"
    before, first_mark, rest = page.partition(begin)
    _, last_mark, after = rest.partition(end)
    if not (first_mark and last_mark):
        raise ValueError(f"the page has no marks {begin.strip()} and {end}")
    return "\n".join([f"{before}{begin}", *lines, "", f"{end}{after}"])


def _format_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'|'.join(['---', *['--:'] * (len(heads) - 1)])}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _share_of(result: CaseResult, scenario: str, outcomes: set[Outcome]) -> str:
    return _format_share(sum(result.outcomes[scenario][outcome] for outcome in outcomes) / result.trials)


def _format_share(share: float) -> str:
    return "0" if share == 0 else "all" if share == 1 else f"{100 * share:.1f} %"


def _format_probability(value: float) -> str:
    return f"{value:.0e}".replace("e-0", "e-")
