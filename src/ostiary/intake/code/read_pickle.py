"""Walks a pickle without running it, to name what it would import.

Whatever CPython's unpickler would still execute, this walk must still see: where the two differ, the walk is the
more lenient one. What ends the unpickler (an unknown opcode, an empty stack, a missing memo) ends the walk too, so
that plain text is not taken for a pickle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ostiary.core.limits import MAX_PICKLE_BYTES, MAX_PICKLE_IMPORTS, MAX_PICKLE_OPS
from ostiary.core.values import dataclass
from ostiary.intake.code import pickle_opcodes as op
from ostiary.intake.code.pickle_arguments import (
    MAX_IMPORT_NAME_BYTES,
    Kind,
    PickleBroken,
    PickleTruncated,
    Value,
    check_number,
    is_importable,
    parse_global,
    parse_index,
    parse_text,
)


@dataclass(frozen=True, slots=True)
class PickleDescription:
    """What was seen of a pickle up to where it ends, breaks, or the ceilings cut the walk."""

    imports: tuple[str, ...]
    """Distinct 'module.name', in order; a part that is only computed while unpickling is '?'."""
    import_offset: int | None
    calls: bool
    """Whether something imported is called."""
    protocol: int
    ops: int
    is_truncated: bool
    """The bytes or the ceilings ended before the pickle did."""
    stops: bool
    """Whether at least one whole pickle was seen."""


def describe_pickle(data: bytes) -> PickleDescription:
    """Walk the pickles that `data` begins with. Never raises, whatever the bytes."""
    walk = _Walk(data[:MAX_PICKLE_BYTES])
    truncated = False
    try:
        while walk.step():
            pass
        truncated = not walk.is_between_pickles or walk.position < len(data)
    except PickleTruncated:
        truncated = True
    except PickleBroken:
        pass
    return PickleDescription(
        imports=tuple(walk.imports),
        import_offset=walk.import_offset,
        calls=walk.calls,
        protocol=walk.protocol,
        ops=walk.ops,
        is_truncated=truncated and not (walk.is_between_pickles and walk.position == len(data)),
        stops=walk.stops,
    )


def looks_like_pickle(head: bytes, size: int) -> bool:
    """Whether an unpickler would do something with a file of `size` bytes that begins with `head`.

    Without the binary protocols' mark, an import that is called or a whole pickle with an import is needed: a
    pickle of plain values does no harm, and words such as "N.B." are one.
    """
    if not head or (head[0] not in op.FIXED and head[0] not in op.COUNTED and head[0] not in op.LINES):
        return False
    seen = describe_pickle(head)
    goes_on = seen.is_truncated and len(head) < size
    if head[0] == op.PROTO and len(head) > 1 and head[1] <= 5:
        return seen.ops >= 2 or seen.is_truncated
    return bool(seen.imports) and (seen.calls or seen.stops or (goes_on and seen.ops >= 8))


class _Walk:
    """The unpickler's stack, marks and memo, holding kinds instead of values."""

    def __init__(self, data: bytes) -> None:
        self.data: Final = data
        self.position = 0
        self.ops = 0
        self.protocol = 0
        self.imports: Final[dict[str, None]] = {}
        self.import_offset: int | None = None
        self.calls = False
        self.stops = False
        self.is_between_pickles = True
        self._start = 0
        self._stack: Final[list[Value]] = []
        self._marks: Final[list[int]] = []
        self._memo: Final[dict[int, Value]] = {}

    def step(self) -> bool:
        """One instruction; False at the end of the bytes or at the ceiling."""
        if self.position >= len(self.data) or self.ops >= MAX_PICKLE_OPS:
            return False
        self._start = self.position
        opcode = self.data[self.position]
        self.position += 1
        argument = self._read_argument(opcode)
        self.is_between_pickles = False
        self._apply(opcode, argument)
        self.ops += 1
        return True

    def _read_argument(self, opcode: int) -> bytes:
        length = op.FIXED.get(opcode)
        if length is not None:
            return self._take(length)
        width = op.COUNTED.get(opcode)
        if width is not None:
            return self._take(int.from_bytes(self._take(width), "little"))
        lines = op.LINES.get(opcode)
        if lines is None:
            raise PickleBroken
        end = self.position
        for _ in range(lines):
            end = self.data.find(b"\n", end) + 1
            if end == 0:
                raise PickleTruncated
        return self._take(end - self.position)

    def _take(self, length: int) -> bytes:
        """The next bytes; long ones are passed over, since no name is that long."""
        start = self.position
        if length > len(self.data) - start:
            raise PickleTruncated
        self.position = start + length
        return self.data[start : start + min(length, MAX_IMPORT_NAME_BYTES + 2)]

    def _apply(self, opcode: int, argument: bytes) -> None:
        simple = op.SIMPLE.get(opcode)
        if simple is not None:
            check_number(opcode, argument)
            taken, tuples, others = simple
            self._drop(taken)
            self._stack.extend([Kind.TUPLE] * tuples + [Kind.OTHER] * others)
            if opcode == op.PROTO:
                if argument[0] > 5:
                    raise PickleBroken
                self.protocol = max(self.protocol, argument[0])
        elif opcode in op.TEXTS or opcode in op.BYTE_STRINGS:
            self._stack.append(parse_text(opcode, argument))
        elif opcode in op.PUTS:
            self._memo[parse_index(opcode, argument)] = self._top()
        elif opcode in op.GETS:
            key = parse_index(opcode, argument)
            if key not in self._memo:
                raise PickleBroken
            self._stack.append(self._memo[key])
        elif opcode in op.MARKED:
            self._apply_marked(opcode)
        elif opcode in op.EXTENSIONS:
            self._import(f"copyreg.extension_{int.from_bytes(argument, 'little')}")
        else:
            _ACTIONS[opcode](self, argument)

    def _apply_marked(self, opcode: int) -> None:
        below, gives_tuple, gives_other = op.MARKED[opcode]
        mark = self._pop_mark()
        if mark < below:
            raise PickleBroken
        del self._stack[mark:]
        if gives_tuple:
            self._stack.append(Kind.TUPLE)
        elif gives_other:
            self._stack.append(Kind.OTHER)

    def _mark(self, _: bytes) -> None:
        self._marks.append(len(self._stack))

    def _stop(self, _: bytes) -> None:
        self._drop(1)
        self._stack.clear()
        self._marks.clear()
        self.stops = True
        self.is_between_pickles = True

    def _pop(self, _: bytes) -> None:
        if self._marks and self._marks[-1] >= len(self._stack):
            self._marks.pop()
        else:
            self._drop(1)

    def _duplicate(self, _: bytes) -> None:
        self._stack.append(self._top())

    def _memoize(self, _: bytes) -> None:
        self._memo[len(self._memo)] = self._top()

    def _global(self, argument: bytes) -> None:
        self._import(parse_global(argument))

    def _instance(self, argument: bytes) -> None:
        # Python's own unpickler imports before it looks for the mark; the one in C after.
        self._import(parse_global(argument))
        del self._stack[self._pop_mark() :]
        self._stack.append(Kind.OTHER)
        self.calls = True

    def _object(self, _: bytes) -> None:
        mark = self._pop_mark()
        if mark >= len(self._stack):
            raise PickleBroken
        self._note_call(self._stack[mark])
        del self._stack[mark:]
        self._stack.append(Kind.OTHER)

    def _reduce(self, _: bytes) -> None:
        self._call(2)

    def _new_object_with_keywords(self, _: bytes) -> None:
        self._call(3)

    def _build(self, _: bytes) -> None:
        self._drop(2)
        self._stack.append(Kind.OTHER)

    def _stack_global(self, _: bytes) -> None:
        if len(self._stack) < 2:
            raise PickleBroken
        module, name = self._stack[-2:]
        self._drop(2)
        parts = [part if isinstance(part, str) else "?" for part in (module, name)]
        if not all(part == "?" or is_importable(part) for part in parts):
            raise PickleBroken
        self._import(".".join(parts))

    def _call(self, taken: int) -> None:
        if len(self._stack) < taken:
            raise PickleBroken
        if not isinstance(self._stack[1 - taken], str):
            self._note_call(self._stack[-taken])
        self._drop(taken)
        self._stack.append(Kind.OTHER)

    def _note_call(self, called: Value) -> None:
        self.calls = self.calls or called is Kind.IMPORT

    def _import(self, name: str) -> None:
        if self.import_offset is None:
            self.import_offset = self._start
        if len(self.imports) < MAX_PICKLE_IMPORTS:
            self.imports.setdefault(name)
        self._stack.append(Kind.IMPORT)

    def _top(self) -> Value:
        if not self._stack:
            raise PickleBroken
        return self._stack[-1]

    def _drop(self, count: int) -> None:
        if len(self._stack) < count:
            raise PickleBroken
        if count:
            del self._stack[-count:]

    def _pop_mark(self) -> int:
        if not self._marks:
            raise PickleBroken
        return min(self._marks.pop(), len(self._stack))


_ACTIONS: Final[dict[int, Callable[[_Walk, bytes], None]]] = {
    op.STOP: _Walk._stop,
    op.MARK: _Walk._mark,
    op.POP: _Walk._pop,
    op.DUP: _Walk._duplicate,
    op.MEMOIZE: _Walk._memoize,
    op.GLOBAL: _Walk._global,
    op.INST: _Walk._instance,
    op.OBJ: _Walk._object,
    op.REDUCE: _Walk._reduce,
    op.NEWOBJ: _Walk._reduce,
    op.NEWOBJ_EX: _Walk._new_object_with_keywords,
    op.BUILD: _Walk._build,
    op.STACK_GLOBAL: _Walk._stack_global,
}
