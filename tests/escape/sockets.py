"""Ways to somebody else by a socket of whatever family, and by other ways to talk."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Callable

from escape.attempt import (
    DESCRIPTORS,
    DONE,
    LANDLOCK,
    NAMESPACES,
    PRIVILEGES,
    RESOURCES,
    SECCOMP,
    USER,
    World,
    attempt,
)
from escape.calls import call, pack, path, peek, read_all

STREAM, DATAGRAM, RAW = 1, 2, 3


def _inet(port: int, address: str = "127.0.0.1") -> ctypes.Array[ctypes.c_char]:
    return pack("H2s4s8s", socket.AF_INET, struct.pack("!H", port), socket.inet_aton(address), b"")


def _inet6(port: int) -> ctypes.Array[ctypes.c_char]:
    loopback = socket.inet_pton(socket.AF_INET6, "::1")
    return pack("H2sI16sI", socket.AF_INET6, struct.pack("!H", port), 0, loopback, 0)


def _unix(name: bytes) -> ctypes.Array[ctypes.c_char]:
    return pack(f"H{len(name)}s", socket.AF_UNIX, name)


@attempt(SECCOMP, LANDLOCK, NAMESPACES, call="socket")
def connect_by_tcp(world: World) -> bytes:
    sock = call("socket", socket.AF_INET, STREAM, 0)
    call("connect", sock, _inet(world.tcp_port), 16)
    return read_all(sock)


@attempt(SECCOMP, LANDLOCK, NAMESPACES, call="socket")
def connect_by_tcp_over_ipv6(world: World) -> bytes:
    sock = call("socket", socket.AF_INET6, STREAM, 0)
    call("connect", sock, _inet6(world.tcp6_port), 28)
    return read_all(sock)


@attempt(SECCOMP, NAMESPACES, call="socket")
def connect_while_sending(world: World) -> bytes:
    """TCP Fast Open: sendto(2) with an address needs no connect(2)."""
    sock = call("socket", socket.AF_INET, STREAM, 0)
    call("sendto", sock, b"x", 1, 0x2000_0000, _inet(world.tcp_port), 16)
    return read_all(sock)


@attempt(SECCOMP, NAMESPACES, call="socket")
def send_by_udp(world: World) -> bytes:
    sock = call("socket", socket.AF_INET, DATAGRAM, 0)
    call("sendto", sock, b"?", 1, 0, _inet(world.udp_port), 16)
    return read_all(sock)


@attempt(SECCOMP, LANDLOCK, call="socket")
def listen_by_tcp(world: World) -> bytes:
    sock = call("socket", socket.AF_INET, STREAM, 0)
    call("bind", sock, _inet(0), 16)
    call("listen", sock, 1)
    return DONE


@attempt(SECCOMP, NAMESPACES, call="socket")
def connect_to_a_unix_socket(world: World) -> bytes:
    sock = call("socket", socket.AF_UNIX, STREAM, 0)
    address = _unix(world.unix_path.encode() + b"\0")
    call("connect", sock, address, len(address))
    return read_all(sock)


@attempt(SECCOMP, LANDLOCK, NAMESPACES, call="socket")
def connect_to_an_abstract_unix_socket(world: World) -> bytes:
    sock = call("socket", socket.AF_UNIX, STREAM, 0)
    address = _unix(b"\0" + world.abstract_name.encode())
    call("connect", sock, address, len(address))
    return read_all(sock)


@attempt(SECCOMP, NAMESPACES, LANDLOCK, call="socket")
def put_a_unix_socket_where_others_look(world: World) -> bytes:
    sock = call("socket", socket.AF_UNIX, STREAM, 0)
    address = _unix(path(world.directory, "made-socket") + b"\0")
    call("bind", sock, address, len(address))
    return DONE


@attempt(SECCOMP, call="socketpair")
def make_a_pair_of_sockets(world: World) -> bytes:
    call("socketpair", socket.AF_UNIX, STREAM, 0, pack("ii", 0, 0))
    return DONE


@attempt(SECCOMP, NAMESPACES, call="socket")
def ask_the_kernel_for_its_network(world: World) -> bytes:
    """Netlink: which interfaces the machine has, beside the loopback that every network has."""
    sock = call("socket", socket.AF_NETLINK, RAW, 0)
    request = struct.pack("IHHII", 32, 18, 0x301, 1, 0) + bytes(16)  # RTM_GETLINK, dump
    call("sendto", sock, request, len(request), 0, 0, 0)
    answer = read_all(sock, 1 << 16)
    kinds = {answer[16 + 2 :][:2]} if len(answer) > 18 else set()
    links, rest = 0, answer
    while len(rest) >= 16:
        length, kind = struct.unpack_from("IH", rest)
        links += kind == 16
        rest = rest[(length + 3) & ~3 :]
    return DONE if links > 1 and kinds else b""


@attempt(SECCOMP, PRIVILEGES, USER, call="socket", of="root")
def listen_to_every_packet(world: World) -> bytes:
    call("socket", socket.AF_PACKET, RAW, 0x0300)
    return DONE


@attempt(SECCOMP, PRIVILEGES, USER, call="socket", of="root")
def write_packets_by_hand(world: World) -> bytes:
    call("socket", socket.AF_INET, RAW, 255)
    return DONE


# A socket of the family is the whole attempt: what its protocol can do differs, and needs one first.
_FAMILIES = {
    "vsock": (40, STREAM),
    "alg": (38, 5),
    "bluetooth": (31, RAW),
    "tipc": (30, 5),
    "can": (29, RAW),
    "rds": (21, 5),
    "key": (15, RAW),
    "qipcrtr": (42, DATAGRAM),
    "smc": (43, STREAM),
    "kcm": (41, DATAGRAM),
    "nfc": (39, 5),
    "x25": (9, 5),
    "ax25": (3, DATAGRAM),
    "atmpvc": (8, DATAGRAM),
    "appletalk": (5, DATAGRAM),
    "llc": (26, DATAGRAM),
    "ieee802154": (36, DATAGRAM),
    "phonet": (35, DATAGRAM),
    "mctp": (45, DATAGRAM),
    "mpls": (28, RAW),
}


def _open_family(family: int, kind: int) -> Callable[[World], bytes]:
    def run(world: World) -> bytes:
        call("socket", family, kind, 0)
        return DONE

    return run


for _name, (_family, _kind) in _FAMILIES.items():
    _run = _open_family(_family, _kind)
    _run.__name__ = f"open_a_socket_of_the_family_{_name}"
    attempt(SECCOMP, call="socket")(_run)


@attempt(SECCOMP, PRIVILEGES, USER, call="socket", of="root")
def open_an_express_data_path(world: World) -> bytes:
    call("socket", 44, RAW, 0)
    return DONE


@attempt(SECCOMP)
def send_a_descriptor_to_the_parent(world: World) -> bytes:
    """SCM_RIGHTS. The second filter ends the process: nobody is asked."""
    part = ctypes.create_string_buffer(b"D", 1)
    pointer = pack("QQ", ctypes.addressof(part), 1)
    control = pack("QiiiI", 20, socket.SOL_SOCKET, socket.SCM_RIGHTS, world.weights, 0)
    message = pack("QIIQQQQii", 0, 0, 0, ctypes.addressof(pointer), 1, ctypes.addressof(control), 24, 0, 0)
    call("sendmsg", world.kept, message, 0)
    return DONE


@attempt(SECCOMP)
def send_many_messages_at_once(world: World) -> bytes:
    part = ctypes.create_string_buffer(b"D", 1)
    pointer = pack("QQ", ctypes.addressof(part), 1)
    message = pack("QIIQQQQiiII", 0, 0, 0, ctypes.addressof(pointer), 1, 0, 0, 0, 0, 0, 0)
    call("sendmmsg", world.kept, message, 1, 0)
    return DONE


@attempt(SECCOMP, call="sendto", missing=[95])
def send_out_of_band(world: World) -> bytes:
    """Which was a way into Linux before 6.15.4 for programs behind filters that let every flag through."""
    call("sendto", world.kept, b"x", 1, 1, 0, 0)
    return DONE


@attempt(SECCOMP, call="getsockopt")
def ask_who_is_at_the_other_end(world: World) -> bytes:
    """SO_PEERCRED tells the application's process, user and group."""
    buffer, size = pack("iii", 0, 0, 0), pack("i", 12)
    call("getsockopt", world.kept, socket.SOL_SOCKET, 17, buffer, size)
    pid, user, _ = struct.unpack("iii", buffer.raw)
    return DONE if pid and user >= 0 else b""


@attempt(DESCRIPTORS)
def read_an_inherited_descriptor(world: World) -> bytes:
    return read_all(world.inherited)


@attempt(SECCOMP, NAMESPACES, root=[USER], call="shmget")
def attach_shared_memory_of_another_process(world: World) -> bytes:
    segment = call("shmget", world.message_key, len(world.secret), 0)
    address = call("shmat", segment, 0, 0o10000)
    return peek(address, len(world.secret))


@attempt(SECCOMP, NAMESPACES, root=[USER], call="msgget")
def read_a_message_queue(world: World) -> bytes:
    queue = call("msgget", world.message_key, 0)
    buffer = ctypes.create_string_buffer(256)
    count = call("msgrcv", queue, buffer, 248, 0, 0o4000 | 0o40000)  # copy, so that it stays
    return buffer.raw[8 : 8 + count]


@attempt(SECCOMP, LANDLOCK, NAMESPACES, root=[USER], call="mq_open")
def open_a_posix_message_queue(world: World) -> bytes:
    call("mq_open", world.queue_name.encode(), os.O_RDWR, 0, 0)
    return DONE


@attempt(SECCOMP, LANDLOCK, RESOURCES, call="mq_open")
def make_a_posix_message_queue(world: World) -> bytes:
    call("mq_open", f"ostiary-made-{os.getpid()}".encode(), os.O_RDWR | os.O_CREAT, 0o600, 0)
    call("mq_unlink", f"ostiary-made-{os.getpid()}".encode())
    return DONE


@attempt(SECCOMP, call="semget")
def make_semaphores(world: World) -> bytes:
    made = call("semget", 0, 1, 0o1600)
    call("semctl", made, 0, 0)
    return DONE


@attempt(SECCOMP, root=[USER], call="keyctl", missing=[126])
def read_a_key_of_the_user(world: World) -> bytes:
    buffer = ctypes.create_string_buffer(256)
    count = call("keyctl", 11, world.key_id, buffer, 256, 0)
    return buffer.raw[:count]


@attempt(SECCOMP, call="add_key")
def leave_a_key_for_others(world: World) -> bytes:
    call("add_key", b"user", b"ostiary-left", b"x", 1, -2)  # the process keyring, which goes with it
    return DONE


@attempt(SECCOMP, call="request_key")
def ask_for_a_key(world: World) -> bytes:
    """Where there is none, the kernel starts a program of its own to fetch one."""
    try:
        call("request_key", b"user", b"ostiary-none", b"", 0)
    except OSError as error:
        if error.errno not in {2, 126}:  # it looked; without the program that fetches keys, too
            raise
    return DONE
