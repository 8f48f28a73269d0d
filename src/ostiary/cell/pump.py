"""One thread that moves the frames of one socket, and notices what else happens to the process behind it.

All that one process can do to us arrives here, one thing after the other. Whoever sends puts into a queue, and what
is short and alone there goes to the socket at once, without the thread: what went is known at whatever instruction
the caller is interrupted, and so no half frame is left behind.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from enum import IntEnum
from typing import Final, Protocol

from ostiary._hazmat.pass_descriptors import receive_with_descriptors, send_with_descriptors
from ostiary.cell import lifetime
from ostiary.cell.interrupts import Condition
from ostiary.core.frames import Frame, FrameMalformed, FrameReader, Tail
from ostiary.core.limits import MAX_REPLY_BODY_BYTES, MAX_UNSENT_BYTES

_BUFFER_BYTES: Final = 1 << 18
_MOST_DESCRIPTORS: Final = 4
_BUFFERS_AT_ONCE: Final = 64
_SHORT_BYTES: Final = 1 << 16
"""Copied by the system sooner than a thread is woken."""

React = Callable[[int], None]
"""What to do about a descriptor, told the events that poll(2) gave."""


class PumpOwner(Protocol):
    """Called from the pump's thread only."""

    def may_read(self) -> bool:
        """False: leave what comes in the socket for now, and the other side waiting. `wake` asks again."""

    def take_frame(self, frame: Frame) -> None:
        """Raises FrameMalformed where it does not belong here."""

    def take_descriptors(self, descriptors: Sequence[int]) -> None:
        """They came with the frames that follow, and belong to the owner."""

    def hang_up(self) -> None:
        """The other side closed the socket."""

    def object_to(self, reason: str) -> None:
        """The other side does not keep to the format; nothing is read any more."""

    def finish(self) -> None:
        """Called once, when the pump stopped, whatever the reason. The socket is closed after it."""


class Waker:
    """Makes poll(2) return. May be used by any thread at any time, also after it was closed."""

    def __init__(self) -> None:
        self._lock: Final = threading.Lock()
        self._is_closed = False
        if hasattr(os, "eventfd"):
            self.descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            self._writing = self.descriptor
        else:
            self.descriptor, self._writing = os.pipe()
            os.set_blocking(self.descriptor, False)
            os.set_blocking(self._writing, False)

    def wake(self) -> None:
        with self._lock:
            if not self._is_closed:
                with suppress(BlockingIOError):  # it is awake
                    os.write(self._writing, (1).to_bytes(8, "little"))

    def calm(self) -> None:
        with suppress(BlockingIOError):
            os.read(self.descriptor, 4096)

    def close(self) -> None:
        with self._lock:
            self.forget()

    def forget(self) -> None:
        """Without the lock, which another thread may have held when this process was forked."""
        if not self._is_closed:
            self._is_closed = True
            for descriptor in {self.descriptor, self._writing}:
                os.close(descriptor)


class _Unsent:
    """One frame, with the descriptors that go with its first byte."""

    def __init__(self, buffers: Iterable[Tail], descriptors: Sequence[int]) -> None:
        self.descriptors: Sequence[int] = descriptors
        self._buffers: Final = deque(memoryview(buffer) for buffer in buffers)
        self.size: Final = sum(map(len, self._buffers))
        self.is_short: Final = self.size <= _SHORT_BYTES and not descriptors
        self._whole: Final = b"".join(self._buffers) if self.is_short else b""
        self._sent: Final[list[int]] = []

    def send_some(self, sock: socket.socket) -> bool:
        """Whether all of it went. Raises BlockingIOError where there is no room, and ConnectionError."""
        if self.is_short:
            rest = self._whole[sum(self._sent) :]
            self._sent.extend(map(sock.send, (rest,) if rest else ()))  # no signal comes between the two
            return sum(self._sent) == self.size
        sent = send_with_descriptors(sock, list(self._buffers)[:_BUFFERS_AT_ONCE], self.descriptors)
        self.drop_descriptors()
        while self._buffers and sent >= len(self._buffers[0]):
            sent -= len(self._buffers.popleft())
        if sent:
            self._buffers[0] = self._buffers[0][sent:]
        return not self._buffers

    def drop_descriptors(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = ()


class Pump:
    """Owns the socket from `start` on. If `start` raises, the caller calls `forget`."""

    def __init__(
        self, sock: socket.socket, kinds: type[IntEnum], owner: PumpOwner, name: str, *, takes_descriptors: bool
    ) -> None:
        self._socket: Final = sock
        self._owner: Final = owner
        self._reader: Final = FrameReader(kinds, MAX_REPLY_BODY_BYTES)
        self._takes_descriptors: Final = takes_descriptors
        self._thread: Final = threading.Thread(target=self._run, name=name, daemon=True)
        self._room: Final = Condition()
        self._sending: Final = threading.Lock()
        """Held while something is written to the socket, or it is closed. Taken before that of `_room`."""
        self._unsent: Final[deque[_Unsent]] = deque()
        self._is_unblocked = False
        self._is_stopping = False
        self._is_open = True
        self._reactions: Final[dict[int, React]] = {}
        self._new_reactions: Final[deque[tuple[int, React]]] = deque()
        self._waker: Final = Waker()
        lifetime.register_part(self)

    # --- for any thread ---

    def start(self) -> None:
        """Raises RuntimeError where the system gives no more threads."""
        self._socket.setblocking(False)
        self._is_unblocked = True
        self._thread.start()

    def watch(self, descriptor: int, react: React) -> None:
        """Until `react` is called with POLLHUP or the pump stops. The descriptor stays the caller's."""
        self._new_reactions.append((descriptor, react))
        self._waker.wake()

    def send(
        self,
        buffers: Sequence[Tail],
        *,
        descriptors: Sequence[int] = (),
        until: float | None = None,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> bool:
        """Queue one frame; False where there was no room until then, or nobody reads any more.

        `is_wanted` is asked when there is room, just before it is queued. The descriptors are the pump's from here
        on. Without `until`, for what is small, it is queued in any case.
        """
        unsent = _Unsent(buffers, descriptors)
        with self._room:
            while until is not None and self._is_open and not self._has_room_for(unsent):
                if not self._room.wait(until - time.monotonic()) and time.monotonic() >= until:
                    break
            is_queued = self._is_open and (until is None or self._has_room_for(unsent)) and is_wanted()
            if is_queued:
                self._unsent.append(unsent)
        if not is_queued:
            unsent.drop_descriptors()
        is_sent = False
        try:
            is_sent = is_queued and unsent.is_short and self._send_at_once(unsent)
        finally:  # also of a caller who was interrupted: the thread goes on from there
            if not is_sent:
                self._waker.wake()
        return is_queued

    @property
    def has_begun(self) -> bool:
        """Whether its thread closes the socket and all else; where it never began, `forget` does."""
        return self._thread.ident is not None

    @property
    def is_open(self) -> bool:
        """Whether anything can still be sent."""
        return self._is_open

    def wake(self) -> None:
        self._waker.wake()

    def stop(self) -> None:
        """Finish soon. What was not sent is dropped."""
        self._is_stopping = True
        self._waker.wake()

    def join(self, seconds: float) -> bool:
        """Whether it finished in time. True for its own thread, which cannot wait for itself."""
        if threading.current_thread() is not self._thread and self.has_begun:
            self._thread.join(seconds)
            return not self._thread.is_alive()
        return True

    def forget(self) -> None:
        """Where its thread is not: in a forked child, or as it never began. Lets go of all descriptors."""
        self._socket.close()
        self._waker.forget()
        for unsent in self._unsent:
            unsent.drop_descriptors()
        self._unsent.clear()
        self._is_open = False

    def _has_room_for(self, unsent: _Unsent) -> bool:
        return not self._unsent or sum(other.size for other in self._unsent) + unsent.size <= MAX_UNSENT_BYTES

    def _send_at_once(self, unsent: _Unsent) -> bool:
        """Whether it went, as nothing was before it. Never waits for the other side."""
        if not self._is_unblocked:
            return False
        with self._sending:
            return self._find_first() is unsent and self._send_first(unsent)

    def _send_first(self, first: _Unsent) -> bool:
        """With the lock held. Whether all of it went; a broken connection is noticed by reading."""
        try:
            if not first.send_some(self._socket):
                return False
        except (BlockingIOError, ConnectionError):
            return False
        with self._room:
            if self._unsent and self._unsent[0] is first:
                try:
                    self._unsent.popleft()
                finally:
                    self._room.notify_all()
        return True

    def _find_first(self) -> _Unsent | None:
        with self._room:
            return self._unsent[0] if self._unsent else None

    # --- the thread ---

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._waker.descriptor, select.POLLIN)
        poll.register(self._socket, 0)
        try:
            buffer = bytearray(_BUFFER_BYTES)
            while not self._is_stopping:
                self._turn(poll, buffer)
        except Exception as error:  # noqa: BLE001  nothing above this could know
            self._owner.object_to(f"the cell itself raised {type(error).__name__}")
        finally:
            try:
                self._close_queue()
                self._owner.finish()
            finally:
                with self._sending:  # whoever is about to write there would write to what has its number next
                    self._socket.close()
                self._waker.close()

    def _turn(self, poll: select.poll, buffer: bytearray) -> None:
        while self._new_reactions:
            descriptor, react = self._new_reactions.popleft()
            self._reactions[descriptor] = react
            poll.register(descriptor, select.POLLIN)
        if self._is_open:
            wanted = select.POLLIN if self._owner.may_read() else 0
            poll.modify(self._socket, wanted | (select.POLLOUT if self._unsent else 0))
        for descriptor, events in poll.poll():
            if descriptor == self._waker.descriptor:
                self._waker.calm()
            elif descriptor in self._reactions:
                if events & select.POLLHUP:
                    poll.unregister(descriptor)
                self._reactions[descriptor](events)
            elif self._is_open:
                if events & select.POLLOUT:
                    self._send_some()
                if events & ~select.POLLOUT and not self._read_some(buffer):
                    poll.unregister(self._socket)
                    self._is_open = False
                    self._close_queue()
            if self._is_stopping:
                return

    def _send_some(self) -> None:
        while self._unsent:
            with self._sending:
                first = self._find_first()
                if first is None or not self._send_first(first):
                    return  # poll(2) says when there is room

    def _read_some(self, buffer: bytearray) -> bool:
        """False where nothing will come any more."""
        try:
            size = self._receive(buffer)
            if size:
                for frame in self._reader.feed(memoryview(buffer)[:size]):
                    self._owner.take_frame(frame)
                return True
        except BlockingIOError:
            return True
        except FrameMalformed as error:
            self._owner.object_to(str(error))
            return False
        except OSError:
            pass
        self._owner.hang_up()
        return False

    def drain(self) -> None:
        """For reactions, when the process ended: what it said before still counts."""
        buffer = bytearray(_BUFFER_BYTES)
        while self._is_open and self._is_readable():
            self._is_open = self._read_some(buffer)

    def _is_readable(self) -> bool:
        poll = select.poll()  # select(2) takes no descriptor above 1023
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def _receive(self, buffer: bytearray) -> int:
        """Descriptors that a worker sends along find no room here: the kernel closes them."""
        if not self._takes_descriptors:
            return self._socket.recv_into(buffer)
        received = receive_with_descriptors(self._socket, buffer, _MOST_DESCRIPTORS)
        self._owner.take_descriptors(received.descriptors)
        return received.size

    def _close_queue(self) -> None:
        with self._room:
            self._is_open = False
            for unsent in self._unsent:
                unsent.drop_descriptors()
            self._unsent.clear()
            self._room.notify_all()
