"""How long the argument of each pickle opcode is and what it does to the stack (see pickletools, protocols 0 to 5).

Facts only; the walk itself is in read_pickle.py.
"""

from __future__ import annotations

from typing import Final

# opcode -> bytes of argument that follow
FIXED: Final = {
    **dict.fromkeys(b"().012NQRabdelostu]}", 0),
    **dict.fromkeys((0x81, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8F, 0x90, 0x91, 0x92, 0x93, 0x94, 0x97, 0x98), 0),
    **dict.fromkeys(b"Khq\x80\x82", 1),
    **dict.fromkeys(b"M\x83", 2),
    **dict.fromkeys(b"Jjr\x84", 4),
    **dict.fromkeys(b"G\x95", 8),
}
# opcode -> bytes of the little-endian count that comes before the argument
COUNTED: Final = {
    **dict.fromkeys(b"CU\x8a\x8c", 1),
    **dict.fromkeys(b"BTX\x8b", 4),
    **dict.fromkeys(b"\x8d\x8e\x96", 8),
}
# opcode -> lines that follow
LINES: Final = {**dict.fromkeys(b"FILSVPgp", 1), **dict.fromkeys(b"ci", 2)}

PROTO: Final = 0x80
STOP: Final = ord(".")
MARK: Final = ord("(")
GLOBAL: Final = ord("c")
INST: Final = ord("i")
OBJ: Final = ord("o")
REDUCE: Final = ord("R")
BUILD: Final = ord("b")
NEWOBJ: Final = 0x81
NEWOBJ_EX: Final = 0x92
STACK_GLOBAL: Final = 0x93
EXTENSIONS: Final = frozenset(b"\x82\x83\x84")
POP: Final = ord("0")
DUP: Final = ord("2")
MEMOIZE: Final = 0x94
PUTS: Final = frozenset(b"pqr")
GETS: Final = frozenset(b"ghj")
TEXTS: Final = frozenset(b"VX\x8c\x8d")
BYTE_STRINGS: Final = frozenset(b"STU")
CALLS: Final = frozenset((INST, OBJ, REDUCE, NEWOBJ, NEWOBJ_EX))

# opcode -> (values taken, tuples given, other values given), for those that only move data
SIMPLE: Final = {
    **dict.fromkeys(b"N]}FILKMJGCB\x88\x89\x8a\x8b\x8e\x8f\x96\x97P", (0, 0, 1)),
    **dict.fromkeys(b")", (0, 1, 0)),
    0x85: (1, 1, 0),
    0x86: (2, 1, 0),
    0x87: (3, 1, 0),
    **dict.fromkeys(b"Q\x98", (1, 0, 1)),
    ord("a"): (2, 0, 1),
    ord("s"): (3, 0, 1),
    **dict.fromkeys(b"\x80\x95", (0, 0, 0)),
}
# opcode -> (values needed below the mark, a tuple is given, another value is given)
MARKED: Final = {
    ord("t"): (0, True, False),
    ord("l"): (0, False, True),
    ord("d"): (0, False, True),
    ord("1"): (0, False, False),
    0x91: (0, False, True),
    ord("e"): (1, False, False),
    ord("u"): (1, False, False),
    0x90: (1, False, False),
}
