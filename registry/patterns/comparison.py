"""Comparison of a pattern with others: correlations in all orientations, and a search by signs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from registry.patterns.orientations import Orientation, orient_samples
from registry.patterns.pattern import Pattern
from registry.patterns.places import PATTERN_SIZE

_ROWS_AT_ONCE = 500  # so that the processor's cache holds them
# float32 holds whole numbers up to 2 ** 24, which is no less than the sum of 1024 products of samples.
_EXACT_PARTS = [slice(start, start + 1024) for start in range(0, PATTERN_SIZE, 1024)]


@dataclass(frozen=True, slots=True)
class Fit:
    """The best fit of a pattern to others.

    Attributes
    ----------
    index
        Of the other pattern.
    correlation
        With it, in its orientation.
    orientation
        In which it fits best.
    as_it_is
        The best correlation with any of the others as they are.
    """

    index: int
    correlation: float
    orientation: Orientation
    as_it_is: float


def correlate(pattern: Pattern, others: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return the correlations of a pattern, in all orientations, with other patterns.

    The sums are those of whole numbers, so every machine returns the same values.

    Parameters
    ----------
    others
        Samples of the shape (pattern, 4096), of the same algorithm.

    Returns
    -------
    NDArray
        Pearson's correlation coefficients (pattern, orientation), 0 where one of the two patterns is constant.
    """
    oriented = np.array(
        [orient_samples(pattern.samples, orientation) for orientation in Orientation], np.float32
    )
    oriented_sum, oriented_variance = _measure(oriented)
    correlations = np.zeros((len(others), len(Orientation)))
    for start in range(0, len(others), _ROWS_AT_ONCE):
        part = others[start : start + _ROWS_AT_ONCE].astype(np.float32)
        part_sum, part_variance = _measure(part)
        covariance = PATTERN_SIZE * _multiply(part, oriented) - np.outer(part_sum, oriented_sum)
        scale = np.sqrt(np.outer(part_variance, oriented_variance))
        np.divide(covariance, scale, out=correlations[start : start + len(part)], where=scale > 0)
    return correlations


def find_candidates(pattern: Pattern, signs: NDArray[np.uint8], limit: int = 20) -> NDArray[np.intp]:
    """Return the indices of the patterns whose signs agree best with those of a pattern in any orientation.

    Silent samples of the pattern are not compared.

    Parameters
    ----------
    signs
        `Pattern.signs` of the others, of the shape (pattern, 512).
    limit
        The largest number of indices that are returned.

    Returns
    -------
    NDArray
        Indices, the best first; of equal ones the first.
    """
    oriented = [orient_samples(pattern.samples, orientation) for orientation in Orientation]
    masks = [
        tuple(np.packbits(bits).view(np.uint64) for bits in (samples > 0, samples != 0))
        for samples in oriented
    ]
    words = np.ascontiguousarray(signs).view(np.uint64)
    fewest = np.empty(len(words), np.int64)
    for start in range(0, len(words), _ROWS_AT_ONCE):
        part = words[start : start + _ROWS_AT_ONCE]
        differences = [
            np.bitwise_count((part ^ own) & live).sum(axis=1, dtype=np.int64) for own, live in masks
        ]
        fewest[start : start + len(part)] = np.min(differences, axis=0)
    return np.argsort(fewest, kind="stable")[:limit]


def find_best_fit(pattern: Pattern, others: NDArray[np.int8]) -> Fit | None:
    """Return the best fit of a pattern, in any orientation, to others (pattern, 4096); None where there are none."""
    if not len(others):
        return None
    correlations = correlate(pattern, others)
    index, column = np.unravel_index(np.argmax(correlations), correlations.shape)
    return Fit(
        index=int(index),
        correlation=float(correlations[index, column]),
        orientation=tuple(Orientation)[column],
        as_it_is=float(correlations[:, 0].max()),
    )


def _measure(samples: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sums of samples (pattern, 4096), and their variances times the square of their number."""
    total = samples.sum(axis=1).astype(np.float64)
    squares = [
        np.einsum("ij,ij->i", samples[:, part], samples[:, part]).astype(np.float64) for part in _EXACT_PARTS
    ]
    return total, PATTERN_SIZE * np.sum(squares, axis=0) - np.square(total)


def _multiply(samples: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the sums of products (sample, other) of two sets of samples."""
    products = [(samples[:, part] @ others[:, part].T).astype(np.float64) for part in _EXACT_PARTS]
    total: NDArray[np.float64] = np.sum(products, axis=0)
    return total
