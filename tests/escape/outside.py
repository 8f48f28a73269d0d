"""What attempts try to reach: files, servers on every kind of socket, queues, and a program that belongs to root."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import selectors
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from escape.calls import MACHINE, call

# mov eax, 107 (geteuid); syscall; test eax, eax; mov edi, 99; je +5; mov edi, 1; mov eax, 60; syscall
_IS_ROOT = bytes.fromhex("b86b0000000f0585c0bf630000007405bf01000000b83c0000000f05")


def make_program(code: bytes) -> bytes:
    """An ELF file of x86-64 that runs `code` and nothing else."""
    start, size = 0x40_0000, 120 + len(code)
    header = struct.pack(
        "<16sHHIQQQI6H", b"\x7fELF\x02\x01\x01", 2, 62, 1, start + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, start, start, size, size, 4096) + code


@contextlib.contextmanager
def plant(directory: Path, user: int) -> Iterator[dict[str, Any]]:
    """Everything that is not the cage's own to plant. `directory` is to be entered by `user`."""
    secret = secrets.token_hex(16)
    directory.chmod(0o777)
    (directory / "secret").write_text(secret)
    (directory / "weights").write_text("weights")
    for name in ("secret", "weights"):
        (directory / name).chmod(0o644)
    if os.geteuid() == 0:
        os.chown(directory / "weights", user, user)
    (directory / "link").symlink_to("secret")
    program = directory / "setuid"
    if os.geteuid() == 0 and MACHINE == "x86_64":
        program.write_bytes(make_program(_IS_ROOT))
        program.chmod(0o4755)
    with _serve(directory, secret.encode()) as addresses, _queue(secret.encode(), user) as queues:
        yield {
            "secret": secret,
            "setuid_program": str(program) if program.exists() else "",
            **addresses,
            **queues,
        }


@contextlib.contextmanager
def _serve(directory: Path, secret: bytes) -> Iterator[dict[str, Any]]:
    """Whoever connects or asks is told the secret."""
    abstract = f"ostiary-escape-{secrets.token_hex(4)}"
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        tcp6, unix, hidden = (
            socket.socket(socket.AF_INET6),
            socket.socket(socket.AF_UNIX),
            socket.socket(socket.AF_UNIX),
        )
        for sock, address in (
            (tcp, ("127.0.0.1", 0)),
            (udp, ("127.0.0.1", 0)),
            (tcp6, ("::1", 0)),
            (unix, str(directory / "unix")),
            (hidden, f"\0{abstract}"),
        ):
            stack.enter_context(sock)
            sock.bind(address)
            if sock is not udp:
                sock.listen()
            selector.register(sock, selectors.EVENT_READ)
        (directory / "unix").chmod(0o666)
        stop_reading, stop_writing = os.pipe()
        selector.register(stop_reading, selectors.EVENT_READ)

        def answer() -> None:
            while True:
                for key, _ in selector.select():
                    if key.fileobj == stop_reading:
                        return
                    if key.fileobj is udp:
                        _, asker = udp.recvfrom(16)
                        udp.sendto(secret, asker)
                        continue
                    with contextlib.suppress(OSError), key.fileobj.accept()[0] as connection:  # type: ignore[union-attr]
                        connection.sendall(secret)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield {
                "tcp_port": tcp.getsockname()[1],
                "tcp6_port": tcp6.getsockname()[1],
                "udp_port": udp.getsockname()[1],
                "unix_path": str(directory / "unix"),
                "abstract_name": abstract,
            }
        finally:
            os.write(stop_writing, b"x")
            thread.join()
            os.close(stop_reading)
            os.close(stop_writing)


@contextlib.contextmanager
def _queue(secret: bytes, user: int) -> Iterator[dict[str, Any]]:
    """System V and POSIX queues and shared memory, of `user` and for nobody else."""
    key, name = secrets.randbits(31), f"ostiary-escape-{secrets.token_hex(4)}"
    segment, queue = call("shmget", key, 4096, 0o1600), call("msgget", key, 0o1600)
    posix = call("mq_open", name.encode(), os.O_RDWR | os.O_CREAT, 0o600, 0)
    try:
        attach = ctypes.CDLL(None).shmat
        attach.restype = ctypes.c_void_p
        address = attach(segment, None, 0)
        ctypes.memmove(address, secret, len(secret))
        message = struct.pack("q", 1) + secret
        call("msgsnd", queue, ctypes.create_string_buffer(message, len(message)), len(secret), 0)
        if os.geteuid() == 0:
            _give_away(segment, queue, posix, user)
        yield {"message_key": key, "queue_name": name}
    finally:
        call("shmctl", segment, 0, 0)
        call("msgctl", queue, 0, 0)
        os.close(posix)
        call("mq_unlink", name.encode())


def _give_away(segment: int, queue: int, posix: int, user: int) -> None:
    os.fchown(posix, user, user)
    for name, number, size in (("shmctl", segment, 112), ("msgctl", queue, 120)):
        state = ctypes.create_string_buffer(size)
        call(name, number, 2, state)  # IPC_STAT
        struct.pack_into("II", state, 4, user, user)
        call(name, number, 1, state)  # IPC_SET
