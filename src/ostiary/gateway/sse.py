"""Server-sent events as bytes. Pure."""

from __future__ import annotations

import msgspec

from ostiary.gateway.reply import ServerEvent

_encoder = msgspec.json.Encoder()


def render_event(event: ServerEvent) -> bytes:
    """JSON has no line ends in it, so that no text of a model can begin another event."""
    data = event.data
    if isinstance(data, str):
        data = data.encode()
    if not isinstance(data, bytes):
        data = _encoder.encode(data)
    if b"\n" in data or b"\r" in data:
        raise ValueError("an event's data has a line end")
    name = b"" if event.name is None else b"event: " + event.name.encode() + b"\n"
    return name + b"data: " + data + b"\n\n"
