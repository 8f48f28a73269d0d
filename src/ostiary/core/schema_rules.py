"""Which JSON Schemas an answer can be held to: a closed list of keywords, each with its bounds. Pure.

Both sides of the wall read schemas with this, so that whoever asks is told in time, and nothing else reaches the
library that holds an answer to one. A keyword that is not known is refused by its name: ignoring it would promise
what nobody keeps. What says nothing about values (titles, descriptions, examples) is left out of what comes back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import Enum
from fractions import Fraction
from typing import Final

from ostiary.core.json_text import JsonValue, describe_type
from ostiary.core.limits import (
    MAX_PATTERN_CHARACTERS,
    MAX_SCHEMA_CHARACTERS,
    MAX_SCHEMA_COUNT,
    MAX_SCHEMA_DEPTH,
    MAX_SCHEMA_MULTIPLE,
    MAX_SCHEMA_PROPERTIES,
    MAX_SCHEMA_VALUES,
)
from ostiary.core.schema_references import Reference, SchemaMap

Schema = dict[str, JsonValue]

TYPES: Final = ("array", "boolean", "integer", "null", "number", "object", "string")
FORMATS: Final = (
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "time",
    "uri",
    "uuid",
)
_SILENT: Final = frozenset(
    "title description default examples example deprecated readOnly writeOnly "
    "$comment $schema $id discriminator".split()
)
"""They say nothing about which values fit."""


class SchemaFault(Enum):
    """What is wrong with a schema."""

    UNKNOWN = "a keyword that is not known"
    TYPE = "a value of the wrong type"
    RANGE = "a value that does not fit"
    TOO_LONG = "more than there may be"


class SchemaUnfit(ValueError):
    """`where` names the place in the schema, as a path of names; `detail` goes on after it."""

    def __init__(self, fault: SchemaFault, where: str, detail: str) -> None:
        super().__init__(detail)
        self.fault: Final = fault
        self.where: Final = where
        self.detail: Final = detail


def parse_schema(value: JsonValue, where: str = "schema") -> Schema:
    """A schema with what it says of values and nothing else. Raises SchemaUnfit."""
    if not isinstance(value, dict):
        raise SchemaUnfit(SchemaFault.TYPE, where, f"is {describe_type(value)}, not an object")
    reader = _Reader(where)
    schema = reader.read_root(value)
    reader.check_references()
    return schema


class _Reader:
    """Reads one schema, counting what it has of everything."""

    def __init__(self, root: str) -> None:
        self._root: Final = root
        self._values = 0
        self._characters = 0
        self._properties = 0
        self._multiples: Final[list[Fraction]] = []
        self._map: Final = SchemaMap()

    def read_root(self, value: Schema) -> Schema:
        read = self.read(value, ())
        return {} if isinstance(read, bool) else read

    def check_references(self) -> None:
        problem = self._map.find_problem()
        if problem is not None:
            raise self.unfit(SchemaFault.RANGE, problem.path, problem.sentence)

    def unfit(self, fault: SchemaFault, path: tuple[str, ...], detail: str) -> SchemaUnfit:
        return SchemaUnfit(fault, ".".join((self._root, *path)), detail)

    def read(self, value: JsonValue, path: tuple[str, ...]) -> Schema | bool:
        """A schema, wherever in the whole. `path`: how it is reached, one name for each step."""
        self.count(value, path)
        if isinstance(value, bool):
            self._map.add(path)
            return value
        if not isinstance(value, dict):
            raise self.unfit(SchemaFault.TYPE, path, f"is {describe_type(value)}, not a schema")
        self._map.add(path)
        made: Schema = {}
        for name, item in value.items():
            self.count_text(name, path)
            if name in _SILENT:
                if name == "$id" and path:
                    raise self.unfit(SchemaFault.UNKNOWN, (*path, name), "stands inside of a schema")
                self.skim(item, (*path, name))
                continue
            read = _KEYWORDS.get(name)
            if read is None:
                raise self.unfit(SchemaFault.UNKNOWN, (*path, name), "is a keyword that answers are not held to")
            made[name] = read(self, item, (*path, name))
        return made

    # --- counting: nothing of a schema is looked at twice -----------------------------------------------------

    def count(self, value: JsonValue, path: tuple[str, ...]) -> None:
        self._values += 1
        if self._values > MAX_SCHEMA_VALUES:
            raise self.unfit(SchemaFault.TOO_LONG, (), f"has more than {int(MAX_SCHEMA_VALUES):,} values")
        if len(path) > MAX_SCHEMA_DEPTH:
            raise self.unfit(SchemaFault.TOO_LONG, (), f"is nested deeper than {int(MAX_SCHEMA_DEPTH)} levels")
        if isinstance(value, str):
            self.count_text(value, path)

    def count_text(self, text: str, path: tuple[str, ...]) -> None:
        self._characters += len(text)
        if self._characters > MAX_SCHEMA_CHARACTERS:
            raise self.unfit(SchemaFault.TOO_LONG, (), f"has more than {int(MAX_SCHEMA_CHARACTERS):,} characters")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise self.unfit(SchemaFault.RANGE, path, "holds half of a surrogate pair")

    def skim(self, value: JsonValue, path: tuple[str, ...]) -> JsonValue:
        """Any JSON, within the same ceilings."""
        self.count(value, path)
        if isinstance(value, dict):
            for name, item in value.items():
                self.count_text(name, path)
                self.skim(item, (*path, name))
        elif isinstance(value, list):
            for place, item in enumerate(value):
                self.skim(item, (*path, str(place)))
        elif isinstance(value, float) and not math.isfinite(value):
            raise self.unfit(SchemaFault.RANGE, path, "is not finite")
        return value

    # --- keywords -----------------------------------------------------------------------------------------------

    def read_types(self, value: JsonValue, path: tuple[str, ...]) -> JsonValue:
        names = value if isinstance(value, list) else [value]
        for name in names:
            self.count(name, path)
            if name not in TYPES:
                raise self.unfit(SchemaFault.RANGE, path, f"is not one of {', '.join(TYPES)}")
        if not names or len(set(map(str, names))) < len(names):
            raise self.unfit(SchemaFault.RANGE, path, "is empty, or has a type twice")
        return value

    def read_format(self, value: JsonValue, path: tuple[str, ...]) -> JsonValue:
        if value not in FORMATS:
            raise self.unfit(SchemaFault.RANGE, path, f"is not one of {', '.join(FORMATS)}")
        return value

    def read_values(self, value: JsonValue, path: tuple[str, ...]) -> JsonValue:
        if not isinstance(value, list) or not value:
            raise self.unfit(SchemaFault.TYPE, path, "is not a list with something in it")
        return self.skim(value, path)

    def read_schemas(self, value: JsonValue, path: tuple[str, ...]) -> JsonValue:
        """By place. Who chooses among them, or takes all, is the same value: see `SchemaMap`."""
        if not isinstance(value, list) or not value:
            raise self.unfit(SchemaFault.TYPE, path, "is not a list with something in it")
        if path[-1] != "prefixItems":
            self._map.add_same(path[:-1], [(*path, str(place)) for place in range(len(value))])
        return [self.read(item, (*path, str(place))) for place, item in enumerate(value)]

    def read_named(self, value: JsonValue, path: tuple[str, ...]) -> JsonValue:
        if not isinstance(value, dict):
            raise self.unfit(SchemaFault.TYPE, path, f"is {describe_type(value)}, not an object")
        self._properties += len(value)
        if self._properties > MAX_SCHEMA_PROPERTIES:
            most = int(MAX_SCHEMA_PROPERTIES)
            raise self.unfit(SchemaFault.TOO_LONG, path, f"brings the schema to more than {most:,} named schemas")
        made: Schema = {}
        for name, item in value.items():
            self.count_text(name, path)
            if path[-1] == "patternProperties":
                self.check_pattern(name, path)
            made[name] = self.read(item, (*path, name))
        return made

    def read_one(self, value: JsonValue, path: tuple[str, ...]) -> JsonValue:
        return self.read(value, path)

    def read_names(self, value: JsonValue, path: tuple[str, ...]) -> JsonValue:
        if not isinstance(value, list):
            raise self.unfit(SchemaFault.TYPE, path, f"is {describe_type(value)}, not a list")
        for name in value:
            self.count(name, path)
            if not isinstance(name, str):
                raise self.unfit(SchemaFault.TYPE, path, f"holds {describe_type(name)}, not a name")
        if len(set(map(str, value))) < len(value):
            raise self.unfit(SchemaFault.RANGE, path, "has a name twice")
        return value

    def read_reference(self, value: JsonValue, path: tuple[str, ...]) -> JsonValue:
        self.count(value, path)
        target = Reference.parse(value)
        if target is None:
            raise self.unfit(SchemaFault.RANGE, path, "is no reference into this schema: it begins with #")
        self._map.refer(path[:-1], target)
        return value

    def read_pattern(self, value: JsonValue, path: tuple[str, ...]) -> JsonValue:
        if not isinstance(value, str):
            raise self.unfit(SchemaFault.TYPE, path, f"is {describe_type(value)}, not a string")
        self.count(value, path)
        self.check_pattern(value, path)
        return value

    def check_pattern(self, pattern: str, path: tuple[str, ...]) -> None:
        if len(pattern) > MAX_PATTERN_CHARACTERS:
            most = int(MAX_PATTERN_CHARACTERS)
            raise self.unfit(SchemaFault.TOO_LONG, path, f"has a pattern of more than {most:,} characters")

    def read_count(self, value: JsonValue, path: tuple[str, ...]) -> JsonValue:
        self.count(value, path)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.unfit(SchemaFault.TYPE, path, f"is {describe_type(value)}, not a whole number")
        if not 0 <= value <= MAX_SCHEMA_COUNT:
            raise self.unfit(SchemaFault.RANGE, path, f"is not from 0 to {int(MAX_SCHEMA_COUNT):,}")
        return value

    def read_number(self, value: JsonValue, path: tuple[str, ...]) -> JsonValue:
        self.count(value, path)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.unfit(SchemaFault.TYPE, path, f"is {describe_type(value)}, not a number")
        if not math.isfinite(value):
            raise self.unfit(SchemaFault.RANGE, path, "is not finite")
        return value

    def read_multiple(self, value: JsonValue, path: tuple[str, ...]) -> JsonValue:
        """Each remainder is a state of a machine, and all that may hold for one number go into one."""
        self.read_number(value, path)
        number = Fraction(str(value))
        if number <= 0:
            raise self.unfit(SchemaFault.RANGE, path, "is not above 0")
        self._multiples.append(number)
        scale = math.lcm(*(each.denominator for each in self._multiples))
        least = math.lcm(*(int(each * scale) for each in self._multiples))
        states = int(str(least).rstrip("0"))
        if states > MAX_SCHEMA_MULTIPLE or (states > 1 and least > MAX_SCHEMA_MULTIPLE * _ZEROS):
            most = int(MAX_SCHEMA_MULTIPLE)
            detail = f"and the others of the schema have no common multiple of at most {most:,} and some zeros"
            raise self.unfit(SchemaFault.RANGE, path, detail)
        return value


_ZEROS: Final = 10
"""Zeros cost less: so many times as much is let through for them."""
_Read = Callable[[_Reader, JsonValue, tuple[str, ...]], JsonValue]

_KEYWORDS: Final[Mapping[str, _Read]] = {
    "type": _Reader.read_types,
    "enum": _Reader.read_values,
    "const": _Reader.skim,
    "format": _Reader.read_format,
    "pattern": _Reader.read_pattern,
    "minLength": _Reader.read_count,
    "maxLength": _Reader.read_count,
    "minimum": _Reader.read_number,
    "maximum": _Reader.read_number,
    "exclusiveMinimum": _Reader.read_number,
    "exclusiveMaximum": _Reader.read_number,
    "multipleOf": _Reader.read_multiple,
    "items": _Reader.read_one,
    "prefixItems": _Reader.read_schemas,
    "minItems": _Reader.read_count,
    "maxItems": _Reader.read_count,
    "properties": _Reader.read_named,
    "patternProperties": _Reader.read_named,
    "additionalProperties": _Reader.read_one,
    "required": _Reader.read_names,
    "anyOf": _Reader.read_schemas,
    "oneOf": _Reader.read_schemas,
    "allOf": _Reader.read_schemas,
    "$ref": _Reader.read_reference,
    "$defs": _Reader.read_named,
    "definitions": _Reader.read_named,
}
KEYWORDS: Final = tuple(_KEYWORDS)
"""Those that answers are held to."""
