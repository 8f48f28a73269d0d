"""Ways to a file: by every call that opens, finds, changes or watches one."""

from __future__ import annotations

import ctypes
import os

from escape.attempt import (
    DONE,
    LANDLOCK,
    NAMESPACES,
    NOT_BUILT,
    NOT_DUMPABLE,
    PRIVILEGES,
    RESOURCES,
    SECCOMP,
    USER,
    World,
    attempt,
)
from escape.calls import AT_FDCWD, call, pack, path, read_all

O_WRITE_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
WALLS = (SECCOMP, LANDLOCK, NAMESPACES)


def _secret(world: World) -> bytes:
    return path(world.directory, "secret")


@attempt(*WALLS, call="open")
def open_a_file(world: World) -> bytes:
    return read_all(call("open", _secret(world), os.O_RDONLY, 0))


@attempt(*WALLS, call="openat")
def openat_a_file(world: World) -> bytes:
    return read_all(call("openat", AT_FDCWD, _secret(world), os.O_RDONLY, 0))


@attempt(*WALLS, call="openat2")
def openat2_a_file(world: World) -> bytes:
    how = pack("QQQ", os.O_RDONLY, 0, 0)
    return read_all(call("openat2", AT_FDCWD, _secret(world), how, 24))


@attempt(*WALLS, root=[USER], call="openat")
def open_a_file_of_the_owner_alone(world: World) -> bytes:
    return read_all(call("openat", AT_FDCWD, path(world.directory, "own"), os.O_RDONLY, 0))


@attempt(*WALLS, call="creat")
def create_a_file(world: World) -> bytes:
    call("creat", path(world.directory, "created"), 0o644)
    return DONE


@attempt(*WALLS, RESOURCES, call="openat")
def write_a_file(world: World) -> bytes:
    descriptor = call("openat", AT_FDCWD, path(world.directory, "written"), O_WRITE_NEW, 0o644)
    call("write", descriptor, b"x", 1)
    return DONE


@attempt(*WALLS, call="openat")
def create_a_file_without_a_name(world: World) -> bytes:
    call("openat", AT_FDCWD, world.directory.encode(), os.O_TMPFILE | os.O_RDWR, 0o600)
    return DONE


@attempt(*WALLS, PRIVILEGES, USER, call="name_to_handle_at", of="root")
def open_a_file_by_its_handle(world: World) -> bytes:
    handle = pack("Ii128s", 128, 0, b"")
    mount = pack("i", 0)
    call("name_to_handle_at", AT_FDCWD, _secret(world), handle, mount, 0)
    directory = call("openat", AT_FDCWD, world.directory.encode(), os.O_RDONLY, 0)
    return read_all(call("open_by_handle_at", directory, handle, os.O_RDONLY))


@attempt(SECCOMP, NAMESPACES, call="name_to_handle_at")
def find_out_a_handle(world: World) -> bytes:
    call("name_to_handle_at", AT_FDCWD, _secret(world), pack("Ii128s", 128, 0, b""), pack("i", 0), 0)
    return DONE


@attempt(*WALLS, call="openat")
def list_a_directory(world: World) -> bytes:
    descriptor = call("openat", AT_FDCWD, world.directory.encode(), os.O_RDONLY | os.O_DIRECTORY, 0)
    buffer = ctypes.create_string_buffer(4096)
    count = call("getdents64", descriptor, buffer, 4096)
    names = buffer.raw[:count]
    return world.secret if b"secret" in names else names


@attempt(*WALLS, root=[USER], call="openat")
def open_a_read_only_descriptor_again_to_write(world: World) -> bytes:
    again = call("openat", AT_FDCWD, f"/proc/self/fd/{world.weights}".encode(), os.O_WRONLY, 0)
    call("pwrite64", again, b"", 0, 0)
    return DONE


@attempt(*WALLS, root=[(USER, NOT_DUMPABLE)], user=[NOT_DUMPABLE], call="openat")
def write_to_read_only_memory_through_proc(world: World) -> bytes:
    fixed = ctypes.c_char_p(b"never written")
    place = ctypes.cast(fixed, ctypes.c_void_p).value or 0
    own = call("openat", AT_FDCWD, b"/proc/self/mem", os.O_RDWR, 0)
    call("pwrite64", own, b"N", 1, place)
    return DONE


@attempt(*WALLS, root=[USER, PRIVILEGES], call="openat")
def read_the_environment_of_the_parent(world: World) -> bytes:
    descriptor = call("openat", AT_FDCWD, f"/proc/{world.parent}/environ".encode(), os.O_RDONLY, 0)
    return world.secret if world.secret in read_all(descriptor, 1 << 16) else b""


@attempt(*WALLS, root=[USER, PRIVILEGES], call="openat")
def read_the_memory_of_another_process(world: World) -> bytes:
    descriptor = call("openat", AT_FDCWD, f"/proc/{world.victim}/mem".encode(), os.O_RDONLY, 0)
    buffer = ctypes.create_string_buffer(len(world.secret))
    call("pread64", descriptor, buffer, len(world.secret), world.victim_address)
    return buffer.raw


@attempt(*WALLS, call="openat")
def read_who_else_is_there(world: World) -> bytes:
    text = read_all(call("openat", AT_FDCWD, f"/proc/{world.victim}/stat".encode(), os.O_RDONLY, 0))
    return world.secret if text.startswith(str(world.victim).encode()) else text


def _found(world: World, name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> bytes:
    call(name, *arguments)
    return DONE


@attempt(SECCOMP, NAMESPACES, call="stat")
def stat_a_file(world: World) -> bytes:
    return _found(world, "stat", _secret(world), ctypes.create_string_buffer(256))


@attempt(SECCOMP, NAMESPACES, call="lstat")
def lstat_a_file(world: World) -> bytes:
    return _found(world, "lstat", _secret(world), ctypes.create_string_buffer(256))


@attempt(SECCOMP, NAMESPACES, call="newfstatat")
def fstatat_a_file(world: World) -> bytes:
    return _found(world, "newfstatat", AT_FDCWD, _secret(world), ctypes.create_string_buffer(256), 0)


@attempt(SECCOMP, NAMESPACES)
def stat_a_file_as_if_it_were_a_descriptor(world: World) -> bytes:
    """With AT_EMPTY_PATH, which C libraries use for descriptors, and a path nevertheless."""
    return _found(world, "newfstatat", AT_FDCWD, _secret(world), ctypes.create_string_buffer(256), 0x1000)


@attempt(SECCOMP, NAMESPACES, call="statx")
def statx_a_file(world: World) -> bytes:
    return _found(world, "statx", AT_FDCWD, _secret(world), 0, 0xFFF, ctypes.create_string_buffer(256))


@attempt(SECCOMP, NAMESPACES, call="statfs")
def measure_a_file_system(world: World) -> bytes:
    buffer = ctypes.create_string_buffer(256)
    call("statfs", world.directory.encode(), buffer)
    return DONE


@attempt(SECCOMP, NAMESPACES, call="access")
def ask_whether_a_file_is_there(world: World) -> bytes:
    return _found(world, "access", _secret(world), 0)


@attempt(SECCOMP, NAMESPACES, call="faccessat2")
def ask_whether_a_file_is_there_in_a_newer_way(world: World) -> bytes:
    return _found(world, "faccessat2", AT_FDCWD, _secret(world), 0, 0)


@attempt(SECCOMP, NAMESPACES, call="readlink")
def read_a_link(world: World) -> bytes:
    return _found(world, "readlink", path(world.directory, "link"), ctypes.create_string_buffer(256), 256)


@attempt(SECCOMP, NAMESPACES, call="chdir")
def go_to_another_directory(world: World) -> bytes:
    return _found(world, "chdir", world.directory.encode())


@attempt(SECCOMP, NAMESPACES, call="getcwd")
def ask_where_one_is(world: World) -> bytes:
    """The application's directory would be a name that nobody told the model."""
    buffer = ctypes.create_string_buffer(4096)
    call("getcwd", buffer, 4096)
    return world.secret if buffer.value == world.directory.encode() else buffer.value


@attempt(*WALLS, call="truncate")
def empty_a_file(world: World) -> bytes:
    return _found(world, "truncate", path(world.directory, "anybody"), 0)


@attempt(*WALLS, call="link")
def give_a_file_a_second_name(world: World) -> bytes:
    return _found(world, "link", path(world.directory, "anybody"), path(world.directory, "second"))


@attempt(*WALLS, call="symlink")
def make_a_link(world: World) -> bytes:
    return _found(world, "symlink", b"/etc/passwd", path(world.directory, "made-link"))


@attempt(*WALLS, call="rename")
def rename_a_file(world: World) -> bytes:
    return _found(world, "rename", path(world.directory, "anybody"), path(world.directory, "renamed"))


@attempt(*WALLS, call="renameat2")
def exchange_two_files(world: World) -> bytes:
    names = path(world.directory, "anybody"), path(world.directory, "anybody-else")
    return _found(world, "renameat2", AT_FDCWD, names[0], AT_FDCWD, names[1], 2)


@attempt(*WALLS, call="unlink")
def remove_a_file(world: World) -> bytes:
    return _found(world, "unlink", path(world.directory, "anybody"))


@attempt(*WALLS, call="mkdir")
def make_a_directory(world: World) -> bytes:
    return _found(world, "mkdir", path(world.directory, "made"), 0o700)


@attempt(*WALLS, call="rmdir")
def remove_a_directory(world: World) -> bytes:
    return _found(world, "rmdir", path(world.directory, "empty"))


@attempt(*WALLS, call="mknod")
def make_a_pipe_with_a_name(world: World) -> bytes:
    return _found(world, "mknod", path(world.directory, "made-pipe"), 0o010600, 0)


@attempt(*WALLS, USER, PRIVILEGES, call="mknod", of="root")
def make_a_device(world: World) -> bytes:
    return _found(world, "mknod", path(world.directory, "made-device"), 0o020600, os.makedev(1, 8))


@attempt(SECCOMP, NAMESPACES, root=[USER], call="chmod")
def change_the_mode_of_a_file(world: World) -> bytes:
    return _found(world, "chmod", path(world.directory, "own"), 0o666)


@attempt(SECCOMP, NAMESPACES, USER, PRIVILEGES, call="chown", of="root")
def give_a_file_to_another_user(world: World) -> bytes:
    return _found(world, "chown", path(world.directory, "anybody"), 65534, 65534)


@attempt(SECCOMP, NAMESPACES, call="utimensat")
def change_the_times_of_a_file(world: World) -> bytes:
    return _found(world, "utimensat", AT_FDCWD, path(world.directory, "anybody"), 0, 0)


@attempt(SECCOMP, NAMESPACES, call="setxattr", missing=[95])
def mark_a_file(world: World) -> bytes:
    return _found(world, "setxattr", path(world.directory, "anybody"), b"user.mark", b"x", 1, 0)


@attempt(SECCOMP, NAMESPACES, call="inotify_init1")
def watch_a_directory(world: World) -> bytes:
    watch = call("inotify_init1", 0)
    call("inotify_add_watch", watch, world.directory.encode(), 0xFFF)
    return DONE


@attempt(SECCOMP, NAMESPACES, call="fanotify_init")
def watch_a_file_by_fanotify(world: World) -> bytes:
    watch = call("fanotify_init", 0x200, 0)  # what ordinary users may have: file handles only
    call("fanotify_mark", watch, 1, 0x2, AT_FDCWD, _secret(world))
    return DONE


@attempt(*WALLS, call="openat")
def lock_a_file(world: World) -> bytes:
    """Whoever waits for the lock waits for good."""
    descriptor = call("openat", AT_FDCWD, path(world.directory, "anybody"), os.O_RDWR, 0)
    call("flock", descriptor, 2 | 4)
    return DONE


@attempt(SECCOMP, call="syncfs")
def make_the_machine_write_out(world: World) -> bytes:
    """Everybody's files on that disk; everybody waits."""
    call("syncfs", world.weights)
    return DONE


@attempt(SECCOMP, LANDLOCK, PRIVILEGES, USER, call="unshare", of="root")
def mount_a_file_system(world: World) -> bytes:
    _leave_the_tree()
    return _found(world, "mount", b"none", b"/", b"tmpfs", 0, 0)


@attempt(SECCOMP, PRIVILEGES, USER, call="fsopen", of="root")
def mount_a_file_system_in_the_new_way(world: World) -> bytes:
    context = call("fsopen", b"tmpfs", 0)
    call("fsconfig", context, 6, 0, 0, 0)
    call("fsmount", context, 0, 0)
    return DONE


@attempt(SECCOMP, NAMESPACES, PRIVILEGES, USER, call="open_tree", of="root")
def copy_a_part_of_the_tree(world: World) -> bytes:
    call("open_tree", AT_FDCWD, world.directory.encode(), 1)
    return DONE


@attempt(SECCOMP, PRIVILEGES, USER, call="chroot", of="root")
def change_the_root(world: World) -> bytes:
    return _found(world, "chroot", b"/")


@attempt(SECCOMP, LANDLOCK, NAMESPACES, PRIVILEGES, USER, call="unshare", of="root")
def take_the_tree_apart(world: World) -> bytes:
    _leave_the_tree()
    return _found(world, "umount2", b"/proc", 2)


@attempt(SECCOMP, PRIVILEGES, USER, call="swapon", of="root")
def swap_to_a_file(world: World) -> bytes:
    return is_considered("swapon", path(world.directory, "no such file"), 0)


@attempt(SECCOMP, PRIVILEGES, USER, call="acct", of="root")
def switch_accounting_off(world: World) -> bytes:
    return _found(world, "acct", 0)


@attempt(SECCOMP, call="quotactl", of="root")
def change_a_quota(world: World) -> bytes:
    return is_considered("quotactl", 0x800002 << 8, b"/no such device", 0, 0)


def _leave_the_tree() -> None:
    """Mounts of this process alone from here on: what it does to them hurts nobody."""
    call("unshare", 0x0002_0000)


def is_considered(name: str, *arguments: int | bytes) -> bytes:
    """Root asks for nonsense: a kernel that looks at the nonsense would have done what makes sense."""
    try:
        call(name, *arguments)
    except PermissionError:
        raise
    except OSError as error:
        if error.errno in NOT_BUILT:
            raise
    return DONE
