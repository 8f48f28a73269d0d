"""The worker's end of the channel. Only the cell is at the other end; what it says is believed."""

from __future__ import annotations

import socket
from collections import deque
from typing import Final

from ostiary._hazmat.pass_descriptors import receive_with_descriptors
from ostiary.core.frames import Frame, FrameReader, JsonObject, Tail, ToWorker, encode_frame
from ostiary.core.limits import MAX_REPLY_BODY_BYTES

_BUFFER_BYTES: Final = 1 << 18
_SMALL_BYTES: Final = 1 << 16
# Writing after this process' wall: sendto(2) without an address, and no sendmsg(2).


class CellGone(Exception):
    """The other end is closed: there is nobody to work for."""


class CellChannel:
    """Frames in, frames out, from one thread."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket: Final = sock
        self._reader: Final = FrameReader(ToWorker)
        self._buffer: Final = bytearray(_BUFFER_BYTES)
        self._descriptors: Final[deque[int]] = deque()

    def receive(self, *, wait: bool) -> list[Frame]:
        """What came. With `wait` at least one frame; a frame that has begun is always waited for."""
        frames: list[Frame] = []
        while not frames or not self._reader.is_between_frames:
            may_wait = wait or not self._reader.is_between_frames
            try:
                received = receive_with_descriptors(
                    self._socket, self._buffer, 1, 0 if may_wait else socket.MSG_DONTWAIT
                )
            except BlockingIOError:
                break
            except ConnectionError as error:
                raise CellGone from error
            self._descriptors.extend(received.descriptors)
            if not received.size:
                raise CellGone
            frames += self._reader.feed(memoryview(self._buffer)[: received.size])
        return frames

    def take_descriptor(self) -> int:
        """The one that came with the frame whose turn it is."""
        return self._descriptors.popleft()

    def send(self, kind: int, call_id: int = 0, body: JsonObject | None = None, tail: Tail = b"") -> None:
        """Waits until the cell took it. Raises FrameUnfit before a byte went."""
        buffers = encode_frame(kind, call_id, body, tail, MAX_REPLY_BODY_BYTES)
        if sum(map(len, buffers)) <= _SMALL_BYTES:
            buffers = [b"".join(buffers)]
        try:
            for buffer in buffers:
                self._socket.sendall(buffer)
        except ConnectionError as error:
            raise CellGone from error
