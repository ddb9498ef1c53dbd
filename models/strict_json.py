"""JSON objects into dataclasses, strictly: a missing, unknown or wrongly typed field is an error that says where."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from typing import Any, TypeVar

T = TypeVar("T")


class StrictJsonError(ValueError):
    """The JSON does not have the expected form; the message names the place, e.g. `layers[2].channels`."""


def decode(kind: type[T], value: object) -> T:
    """`value`, as `json.loads` gives it, as the dataclass `kind`."""
    return typing.cast(T, _decode(kind, value, ""))


def encode(value: object) -> Any:
    """The inverse of `decode`: what `json.dumps` takes."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    return value


def _fail(path: str, problem: str) -> typing.NoReturn:
    raise StrictJsonError(f"{path.lstrip('.') or 'the file'}: {problem}")


def _decode(kind: Any, value: object, path: str) -> object:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _decode(next(item for item in arguments if item is not type(None)), value, path)
    if dataclasses.is_dataclass(kind):
        return _decode_object(typing.cast(type, kind), value, path)
    if origin is list:
        if not isinstance(value, list):
            _fail(path, "expected a list")
        return [_decode(arguments[0], item, f"{path}[{i}]") for i, item in enumerate(value)]
    if origin is dict:
        if not isinstance(value, dict):
            _fail(path, "expected an object")
        return {key: _decode(arguments[1], item, f"{path}.{key}") for key, item in value.items()}
    if kind is float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            _fail(path, "expected a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            _fail(path, "expected a finite number")
        return number
    if type(value) is not kind:
        _fail(path, f"expected {_words(kind)}, found {_words(type(value))}")
    return value


def _decode_object(kind: type, value: object, path: str) -> object:
    if not isinstance(value, dict):
        _fail(path, "expected an object")
    hints = typing.get_type_hints(kind)
    for key in value:
        if key not in hints:
            _fail(f"{path}.{key}", "unknown field")
    for key in hints:
        if key not in value:
            _fail(f"{path}.{key}", "is missing")
    return kind(**{key: _decode(hint, value[key], f"{path}.{key}") for key, hint in hints.items()})


def _words(kind: type) -> str:
    names = {int: "a whole number", str: "a string", bool: "true or false", float: "a number"}
    return names.get(kind, {type(None): "null", dict: "an object", list: "a list"}.get(kind, str(kind)))
