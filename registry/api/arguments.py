"""The arguments of the public methods: a value of another type than the signature names is refused.

This is checked here and nowhere else. The functions below get texts, numbers and tuples of Python also where numpy's,
or other sequences, were passed.
"""

from __future__ import annotations

import inspect
import operator
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import wraps
from pathlib import Path
from types import FunctionType, GenericAlias, NoneType, UnionType
from typing import Any, ParamSpec, TypeVar, get_args, get_origin

from registry.errors import InstantError, RequestError
from registry.heads import Head
from registry.identifiers import quote
from registry.instants import BEGINNING, EARLIEST, LATEST, Instant

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

_MAX_BITS = 1024  # of a number that Python can still write out for a message
_POSITIONAL_KINDS = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
_PLAIN_SORTS = frozenset({str, bool, NoneType})  # of which every value is taken as it is
_MAX_LENGTH = 120  # of a value in a message
_REFUSED = object()  # the result of a conversion where the value is of another type

# In the singular and in the plural; what is not here is a function.
_WORDS: dict[Any, tuple[str, str]] = {
    str: ("a text", "texts"),
    Path: ("a path", "paths"),
    bool: ("True or False", "True or False"),
    int: ("a whole number", "whole numbers"),
    datetime: ("an aware datetime", "aware datetimes"),
    Instant: ("an Instant", "Instants"),
    Head: ("a Head", "Heads"),
    NoneType: ("None", "None"),
}


class CheckedMethods:
    """A class whose public methods refuse arguments of other types than those of their signatures."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, attribute in list(vars(cls).items()):
            if isinstance(attribute, FunctionType) and not name.startswith("_"):
                setattr(cls, name, check_arguments(attribute))


def check_arguments(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Return the function, which then raises `RequestError` for an argument of another type."""
    signature = inspect.signature(function)
    positional = [
        name for name, parameter in signature.parameters.items() if parameter.kind in _POSITIONAL_KINDS
    ]
    variadic = next(
        (
            name
            for name, parameter in signature.parameters.items()
            if parameter.kind is parameter.VAR_POSITIONAL
        ),
        None,
    )
    expected: dict[str, _Expected] = {}

    def convert(name: str, value: Any) -> Any:
        return expected[name].convert(name, value) if name in expected else value

    @wraps(function)
    def check_and_call(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        if not expected:  # not where the function is defined: this takes time
            expected.update(_read_annotations(function, signature))
        # Not `signature.bind`, which takes as long as a tenth of a look-up. A wrong call is a TypeError, as ever.
        converted = [convert(name, value) for name, value in zip(positional, args, strict=False)]
        more = args[len(positional) :]
        if more and variadic:
            more = convert(variadic, more)
        options = {name: convert(name, value) for name, value in kwargs.items()}
        return function(*converted, *more, **options)  # type: ignore[arg-type]

    return check_and_call


def _read_annotations(function: Any, signature: inspect.Signature) -> dict[str, _Expected]:
    expected = {}
    for name, parameter in signature.parameters.items():
        if parameter.annotation is parameter.empty:  # self
            continue
        annotation = parameter.annotation
        if isinstance(annotation, str):
            annotation = eval(annotation, inspect.unwrap(function).__globals__)  # noqa: S307 - from this package's source
        if parameter.kind is parameter.VAR_POSITIONAL:
            annotation = GenericAlias(tuple, (annotation,))
        expected[name] = _Expected(annotation)
    return expected


class _Expected:
    """The values that an annotation admits, and the words for them."""

    def __init__(self, annotation: Any) -> None:
        sorts = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
        if Path in sorts:
            sorts = tuple(sort for sort in sorts if sort is not str)
        self.sorts = sorted(sorts, key=lambda sort: sort is int)  # an Instant is an int too
        self.items = {sort: _Expected(get_args(sort)[0]) for sort in sorts if _is_iterable(sort)}
        self.plain = _PLAIN_SORTS.intersection(sorts)
        self.is_instant = Instant in sorts and int not in sorts

    def convert(self, name: str, value: Any) -> Any:
        """Return the value as the function expects it, or raise `RequestError`."""
        if type(value) in self.plain:
            return value
        for sort in self.sorts:
            converted = (
                self._convert_items(name, sort, value) if sort in self.items else _convert_value(sort, value)
            )
            if converted is not _REFUSED and (sort is not int or converted.bit_length() <= _MAX_BITS):
                return converted
        error_class = InstantError if self.is_instant else RequestError
        raise error_class(f"{name}: {_describe(value)} is not {self.describe(0)}", parameter=name)

    def _convert_items(self, name: str, sort: Any, value: Any) -> Any:
        if isinstance(value, str | bytes | bytearray | Mapping):
            return _REFUSED
        try:
            items = list(value)
        except TypeError:
            return _REFUSED
        return tuple(self.items[sort].convert(name, item) for item in items)

    def describe(self, number: int) -> str:
        """Return the words for what is expected: in the singular for 0, in the plural for 1."""
        words = [
            f"a list of {self.items[sort].describe(1)}"
            if sort in self.items
            else _WORDS.get(sort, ("a function", "functions"))[number]
            for sort in self.sorts
        ]
        return " or ".join(words)


def _is_iterable(sort: Any) -> bool:
    origin = get_origin(sort)
    return isinstance(origin, type) and issubclass(origin, Iterable)


def _convert_value(sort: Any, value: Any) -> Any:
    """Return a value of this sort, or `_REFUSED`."""
    if sort in _CONVERTERS:
        return _CONVERTERS[sort](value)
    if not isinstance(sort, type) or get_origin(sort) is not None:  # a function
        return value if callable(value) else _REFUSED
    return value if isinstance(value, sort) else _REFUSED


def _convert_text(value: Any) -> Any:
    return str.__str__(value) if isinstance(value, str) else _REFUSED


def _convert_flag(value: Any) -> Any:
    return bool(value) if isinstance(value, bool) or _is_numpy_bool(value) else _REFUSED


def _is_numpy_bool(value: Any) -> bool:
    """Tell whether it is of the type that numpy has for this, which need not be imported to be known."""
    return type(value).__module__ == "numpy" and type(value).__name__ in {"bool", "bool_"}


def _convert_number(value: Any) -> Any:
    if isinstance(value, bool | Instant) or _is_numpy_bool(value):
        return _REFUSED
    try:
        return operator.index(value)
    except TypeError:
        return _REFUSED


def _convert_instant(value: Any) -> Any:
    is_possible = isinstance(value, Instant) and (value == BEGINNING or EARLIEST <= value <= LATEST)
    return value if is_possible else _REFUSED


def _convert_path(value: Any) -> Any:
    """Return a path as it is, or `_REFUSED` for one that no system can have."""
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str) or "\0" in text:
        return _REFUSED
    try:
        return value if os.fsencode(text) else _REFUSED
    except UnicodeEncodeError:
        return _REFUSED


_CONVERTERS: dict[Any, Callable[[Any], Any]] = {
    str: _convert_text,
    bool: _convert_flag,
    int: _convert_number,
    Instant: _convert_instant,
    Path: _convert_path,
}


def _describe(value: Any) -> str:
    """Return a value for a message: short ones as they are written, others by their type."""
    kind = type(value).__name__
    if isinstance(value, Path):
        value = str(value)
    is_simple = value is None or type(value) in {str, bytes, bool, float, int}
    if not is_simple or (isinstance(value, int) and value.bit_length() > _MAX_BITS):
        return f"a value of type {kind}"
    text = quote(value) if isinstance(value, str) else repr(value)
    return text if len(text) <= _MAX_LENGTH else f"a value of type {kind}"
