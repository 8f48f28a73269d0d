"""What encryption costs: a new connection for each request, and one for all, in turns with and without TLS.

Client and server share the machine; the ratios are what counts.
"""

from __future__ import annotations

import http.client
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from door_tools import running_door
from tls_forge import make_server, trust

from ostiary.gateway.reply import BytesReply
from ostiary.gateway.route import Dialect, Route
from ostiary.gateway.tls import Tls
from ostiary.gateway.tls_settings import TlsSettings

ROUNDS, NEW, KEPT = 5, 100, 1_000


async def _greet(_asked: object, _body: object) -> BytesReply:
    return BytesReply(b"hello", "text/plain")


ROUTES = (Route(method="GET", path="/hello", handle=_greet, dialect=Dialect.PROBLEM, summary="", is_open=True),)


def connect(port: int, context: object) -> http.client.HTTPConnection:
    if context is None:
        return http.client.HTTPConnection("localhost", port)
    return http.client.HTTPSConnection("localhost", port, context=context)  # type: ignore[arg-type]


def ask(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/hello")
    connection.getresponse().read()


def measure(port: int, context: object) -> tuple[float, float]:
    """Milliseconds of a request on a connection of its own, and on one that is kept."""
    begun = time.perf_counter()
    for _ in range(NEW):
        connection = connect(port, context)
        ask(connection)
        connection.close()
    new = (time.perf_counter() - begun) * 1000 / NEW
    connection = connect(port, context)
    ask(connection)
    begun = time.perf_counter()
    for _ in range(KEPT):
        ask(connection)
    kept = (time.perf_counter() - begun) * 1000 / KEPT
    connection.close()
    return new, kept


def main() -> None:
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = TlsSettings(certificate=place / "c.pem", key=place / "c.key")
        make_server().write(settings.certificate, settings.key)
        tls = Tls(settings, lambda _: None)
        plain = stack.enter_context(running_door(ROUTES))
        encrypted = stack.enter_context(running_door(ROUTES, tls=tls))
        context = trust()
        found: dict[str, list[tuple[float, float]]] = {"plain": [], "TLS": []}
        for _ in range(ROUNDS):
            found["plain"].append(measure(plain.port, None))
            found["TLS"].append(measure(encrypted.port, context))
    for name, rounds in found.items():
        new, kept = (sorted(one) for one in zip(*rounds, strict=True))
        print(
            f"{name:6} new connection {statistics.median(new):.2f} ms ({new[0]:.2f} to {new[-1]:.2f}), "
            f"kept {statistics.median(kept):.3f} ms ({kept[0]:.3f} to {kept[-1]:.3f})"
        )


if __name__ == "__main__":
    main()
