"""A door of machine code between MLX, which calls one form of matrix product, and libraries that have others.

For the worker only, in front of the wall, which lets no memory become executable. MLX calls `cblas_sgemm` with
32-bit sizes for every float32 product. The door does two things on the way, both in a handful of instructions and
then with a jump, so that it leaves no frame on the stack and the library returns to MLX:

- it widens the sizes to 64 bits (NumPy's own library has no other form; one with 32-bit sizes ignores the rest);
- it hands a product of one row, which is what each new token asks for, to `cblas_sgemv`: as a matrix product
  libraries copy the whole matrix first, which costs twice what the product does.

The two forms, by the calling conventions of C (System V psABI; AAPCS64). A function owns the part of the stack that
its arguments lie in, so that they may be changed there.

    sgemm   order ta tb m n k alpha a lda b ldb beta c ldc     x86-64: stack from `a`; aarch64: from `b`
    sgemv   order t m n alpha a lda x incx beta y incy         x86-64: stack from `x`; aarch64: from `y`

One row, the matrix given as it is (tb = 111): its columns are summed up, t = 112, m = k, n = n. The matrix given
transposed (tb = 112): its rows are multiplied, t = 111, m = n, n = k. The row lies in `a`, one number after the
other, or a row of `lda` apart where `a` itself is given transposed.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import struct
import sys
from typing import Final

_X86_64: Final = """
    f3 0f 1e fa             endbr64
    4d 63 c0                movsxd r8, r8d             n
    4d 63 c9                movsxd r9, r9d             k
    4c 63 5c 24 20          movsxd r11, [rsp+32]       ldb
    83 f9 01                cmp ecx, 1                 one row?
    75 58                   jne many
    83 ff 65                cmp edi, 101               rows one after the other?
    75 53                   jne many
    4c 8b 54 24 18          mov r10, [rsp+24]          b
    48 8b 44 24 28          mov rax, [rsp+40]          c ...
    48 89 44 24 18          mov [rsp+24], rax          ... is y
    48 63 44 24 10          movsxd rax, [rsp+16]       lda
    83 fe 6f                cmp esi, 111
    be 01 00 00 00          mov esi, 1
    48 0f 44 c6             cmove rax, rsi
    48 89 44 24 10          mov [rsp+16], rax          incx
    48 89 74 24 20          mov [rsp+32], rsi          incy
    83 fa 6f                cmp edx, 111
    74 0d                   je across
    4c 89 c2                mov rdx, r8
    4c 89 c9                mov rcx, r9
    be 6f 00 00 00          mov esi, 111
    eb 0b                   jmp one
    4c 89 ca                across: mov rdx, r9
    4c 89 c1                mov rcx, r8
    be 70 00 00 00          mov esi, 112
    4d 89 d0                one: mov r8, r10
    4d 89 d9                mov r9, r11
    ff 25 2c 00 00 00       jmp [rip+44]               sgemv
    4c 89 5c 24 20          many: mov [rsp+32], r11    ldb
    48 63 c9                movsxd rcx, ecx            m
    48 63 44 24 10          movsxd rax, [rsp+16]       lda
    48 89 44 24 10          mov [rsp+16], rax
    48 63 44 24 30          movsxd rax, [rsp+48]       ldc
    48 89 44 24 30          mov [rsp+48], rax
    ff 25 02 00 00 00       jmp [rip+2]                sgemm
    cc cc                   int3
"""

_AARCH64: Final = """
    5f 24 03 d5             bti c
    84 7c 40 93             sxtw x4, w4                n
    a5 7c 40 93             sxtw x5, w5                k
    e7 7c 40 93             sxtw x7, w7                lda
    e9 0b 80 b9             ldrsw x9, [sp, #8]         ldb
    7f 04 00 71             cmp w3, #1                 one row?
    c1 02 00 54             b.ne many
    1f 94 01 71             cmp w0, #101               rows one after the other?
    81 02 00 54             b.ne many
    ea 03 40 f9             ldr x10, [sp]              b
    eb 0b 40 f9             ldr x11, [sp, #16]         c
    2c 00 80 d2             mov x12, #1
    3f bc 01 71             cmp w1, #111
    87 01 87 9a             csel x7, x12, x7, eq       incx
    eb 33 00 a9             stp x11, x12, [sp]         y, incy
    5f bc 01 71             cmp w2, #111
    a0 00 00 54             b.eq across
    e1 0d 80 52             mov w1, #111
    e2 03 04 aa             mov x2, x4
    e3 03 05 aa             mov x3, x5
    04 00 00 14             b one
    01 0e 80 52             across: mov w1, #112
    e2 03 05 aa             mov x2, x5
    e3 03 04 aa             mov x3, x4
    e4 03 0a aa             one: mov x4, x10
    e5 03 09 aa             mov x5, x9
    50 01 00 58             ldr x16, sgemv
    00 02 1f d6             br x16
    63 7c 40 93             many: sxtw x3, w3          m
    e9 07 00 f9             str x9, [sp, #8]           ldb
    e9 1b 80 b9             ldrsw x9, [sp, #24]        ldc
    e9 0f 00 f9             str x9, [sp, #24]
    50 00 00 58             ldr x16, sgemm
    00 02 1f d6             br x16
"""

_LISTINGS: Final = {"x86_64": _X86_64, "aarch64": _AARCH64}
_CODE_COLUMNS: Final = slice(4, 28)
_kept: Final[list[mmap.mmap]] = []


def read_door(machine: str) -> bytes | None:
    """Its code. The two addresses that it jumps to, sgemm and sgemv, belong right behind."""
    listing = _LISTINGS.get(machine)
    if listing is None:
        return None
    return bytes.fromhex("".join(line[_CODE_COLUMNS] for line in listing.splitlines()))


def build_door(sgemm: int, sgemv: int) -> int | None:
    """Its address: a function of the form of `cblas_sgemm` with 32-bit sizes. It stays as long as the process.

    None where nobody wrote it for this processor, or where the system lets no memory become executable.
    """
    code = read_door(platform.machine())
    if sys.platform != "linux" or code is None:
        return None
    page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    page.write(code + struct.pack("<QQ", sgemm, sgemv))
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    _kept.append(page)
    return address if _make_executable(address) else None


def _make_executable(address: int) -> bool:
    """And read-only. The kernel sees to it that the processor does not run what was there before."""
    call = ctypes.CDLL(None).mprotect
    call.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return int(call(address, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC)) == 0
