"""What the Open Inference Protocol costs: small functions and tensors of 64 MB, over HTTP, gRPC, and in process.

    python bench/oip.py                      1,000 small calls of each kind, and 10 large ones
    python bench/oip.py --calls 100          a look
    python bench/oip.py --checked            the contract asks for finite numbers from 0 to 1

The function gives back what it is given and checks no number, behind the whole wall: what is left is the way there
and back. The door has a key to check and a record to write, as always. One client asks over one connection, one
call after the other. The rounds take turns; told is the median of each, and what it is beyond the call in the
program that opened the model: for small calls that is to be below 0.5 milliseconds. Large ones are told in bytes
that went one way, through door and worker and back, by the fastest call: other programs have a part in the rest.

Beside the door stand two servers without a model, which only send back what they got: one of plain sockets, and one
of gRPC's own library. No door can be faster than these are with the same client, at the same moment. Processor time
is the server's alone, of all its threads, without the model's process and without the client.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from program_tools import wait_until_it_listens

import ostiary
from ostiary.gateway.oip.wire import write_bytes, write_packed, write_text
from ostiary.graph.dtypes import Dtype
from ostiary.graph.function_contract import ContractDim, FunctionContract, TensorInput, TensorOutput
from ostiary.graph.render_contract import render_contract
from ostiary.graph.render_graph import render_graph
from ostiary.graph.sizes import dim
from ostiary.graph.values import Graph, Input, Output, TensorType
from ostiary.testing import safetensors_file, sign_model

ROUNDS: Final = 5
WANTED_MS: Final = 0.5
WANTED_BYTES_PER_S: Final = 10**9
LARGE: Final = 16 << 20
"""Numbers of four bytes."""
SERVER: Final = "import sys; from ostiary.cli.main import main; sys.exit(main(['serve', *sys.argv[1:]]))"
PATH: Final = "/inference.GRPCInferenceService/ModelInfer"
LIMIT: Final = 257 << 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1_000, metavar="N", help="small ones of each kind")
    parser.add_argument("--large", type=int, default=10, metavar="N", help="large ones of each kind")
    parser.add_argument("--checked", action="store_true", help="every number is held against a range, and finite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        folder = Path(place)
        model = write_echo(folder / "echo", is_checked=options.checked)
        key = sign_model(model)
        limits: dict[str, int | str] = {"memory": "2 GiB"}
        opened = stack.enter_context(ostiary.open(model, key=key, state=folder / "here", limits=limits))
        client = stack.enter_context(serving(model, key, folder / "there"))
        small, large = numpy.ones(8, "f4"), numpy.random.default_rng(0).random(LARGE, "f4")
        kinds: dict[str, Callable[[object], object]] = {
            "in the same program": lambda array: opened(x=array),
            "over HTTP, binary": client.ask,
            "over gRPC, raw": client.ask_grpc,
        }
        cost = tell(measure(kinds, small, max(1, options.calls // ROUNDS)))
        with sending_back(give_back_plainly) as plain, sending_back(give_back_by_grpc) as by_grpc:
            kinds["plain sockets"] = PlainClient(plain).ask
            kinds["an empty gRPC server"] = GrpcClient(by_grpc).ask
            fastest = measure_large(kinds, large, options.large, client.pid)
        tell_large(fastest, large.nbytes)
    return 0 if cost < WANTED_MS and large.nbytes / fastest["over HTTP, binary"][0] >= WANTED_BYTES_PER_S else 1


def measure_large(
    kinds: dict[str, Callable[[object], object]], array: object, times: int, server: int
) -> dict[str, tuple[float, float]]:
    """Seconds of the fastest call of each kind, and of the server's processor time for an average one."""
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    used = dict.fromkeys(kinds, 0.0)
    for act in kinds.values():
        act(array)
    for _ in range(times):
        for name, act in kinds.items():
            before = read_processor_time(server)
            taken[name].append(time_one(act, array))
            used[name] += read_processor_time(server) - before
    return {name: (min(found), used[name] / times) for name, found in taken.items()}


def tell_large(fastest: dict[str, tuple[float, float]], size: int) -> None:
    floors = {"over HTTP, binary": "plain sockets", "over gRPC, raw": "an empty gRPC server"}
    for name, (seconds, used) in fastest.items():
        floor = fastest[floors[name]][0] / seconds if name in floors else 0.0
        beside = f"   {floor:.2f} of {floors[name]}, {used * 1000:.0f} ms of processor time" if floor else ""
        print(f"{name:28}{size / seconds / 1e9:>7.2f} GB/s   {size >> 20} MiB each way{beside}")
    print(f"\nover HTTP wanted: {WANTED_BYTES_PER_S / 1e9:.0f} GB/s")


def read_processor_time(process: int) -> float:
    """Seconds, of all its threads."""
    threads = Path(f"/proc/{process}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def time_one(act: Callable[[object], object], array: object) -> float:
    started = time.perf_counter()
    act(array)
    return time.perf_counter() - started


def measure(kinds: dict[str, Callable[[object], object]], array: object, each: int) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for act in kinds.values():
        for _ in range(20):
            act(array)
    for _ in range(ROUNDS):
        for name, act in kinds.items():
            taken[name] += [time_one(act, array) * 1000 for _ in range(each)]
    return taken


def tell(taken: dict[str, list[float]]) -> float:
    base = statistics.median(taken["in the same program"])
    print(f"{'':28}{'median':>10}{'95 of 100':>12}{'beyond':>10}")
    for name, times in taken.items():
        median, late = statistics.median(times), statistics.quantiles(times, n=20)[-1]
        print(f"{name:28}{median:>7.2f} ms{late:>9.2f} ms{median - base:>7.2f} ms")
    cost = statistics.median(taken["over HTTP, binary"]) - base
    print(f"\nthe door: {cost:.2f} ms; wanted: below {WANTED_MS} ms\n")
    return cost


def write_echo(place: Path, *, is_checked: bool = False) -> Path:
    """A model directory: y is x."""
    length = dim("length")
    contract = FunctionContract(
        "echo",
        (ContractDim("length", 1, None),),
        (TensorInput("x", "FP32", (length,), is_checked, (0.0, 1.0) if is_checked else None),),
        (TensorOutput("y", "FP32", (length,), is_checked),),
    )
    kind = TensorType(Dtype.FLOAT32, (length,))
    graph = Graph("echo", contract.list_graph_dims(), (Input("x", kind),), (), (), (Output("y", 0),))
    place.mkdir()
    (place / "graph.json").write_bytes(render_graph(graph))
    (place / "graph.safetensors").write_bytes(safetensors_file({}, "F32"))
    (place / "contract.json").write_bytes(render_contract(contract))
    return place


class Client:
    """Over one connection of each kind."""

    def __init__(self, port: int, grpc_port: int, key: str, pid: int) -> None:
        self.pid: Final = pid
        """Of the server."""
        self._connection: Final = connect(port)
        self._whole: Final = memoryview(bytearray(LARGE * 4 + 65_536))
        """Where answers go: memory that is new each time would cost the client as much as all the rest."""
        self._key: Final = key
        self._grpc: Final = GrpcClient(grpc_port, (("authorization", f"Bearer {key}"),))

    def ask(self, array: numpy.ndarray) -> None:
        asked = {"name": "x", "datatype": "FP32", "shape": [array.size]}
        asked["parameters"] = {"binary_data_size": array.nbytes}
        header = json.dumps({"inputs": [asked], "parameters": {"binary_data_output": True}}).encode()
        head = f"POST /v2/models/echo/infer HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {self._key}\r\n"
        head += f"inference-header-content-length: {len(header)}\r\n"
        head += f"content-length: {len(header) + array.nbytes}\r\n\r\n"
        self._connection.sendall(head.encode() + header)
        self._connection.sendall(array)
        self._take(array.nbytes)

    def ask_grpc(self, array: numpy.ndarray) -> None:
        self._grpc.ask(array)

    def close(self) -> None:
        self._grpc.close()
        self._connection.close()

    def _take(self, least: int) -> None:
        place = end = 0
        while not end or place < end:
            size = self._connection.recv_into(self._whole[place:])
            assert size, "the server closed the connection"
            place += size
            if not end:
                top, found, _ = bytes(self._whole[: min(place, 65_536)]).partition(b"\r\n\r\n")
                length = re.search(rb"\r\ncontent-length: (\d+)", top) if found else None
                end = 0 if length is None else len(top) + 4 + int(length[1])
        assert end > least, bytes(self._whole[:500])


class PlainClient:
    """Over one connection to a server that sends everything back."""

    def __init__(self, port: int) -> None:
        self._connection: Final = connect(port)
        self._whole: Final = memoryview(bytearray(LARGE * 4))

    def ask(self, array: numpy.ndarray) -> None:
        self._connection.sendall(array)
        place = 0
        while place < array.nbytes:
            place += self._connection.recv_into(self._whole[place : array.nbytes])


class GrpcClient:
    """Over one channel."""

    def __init__(self, port: int, metadata: tuple[tuple[str, str], ...] = ()) -> None:
        import grpc

        options = (("grpc.max_receive_message_length", LIMIT), ("grpc.max_send_message_length", LIMIT))
        self._channel: Final = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        self._infer: Final = self._channel.unary_unary(PATH)
        self._metadata: Final = metadata

    def ask(self, array: numpy.ndarray) -> None:
        told = write_text(1, "x") + write_text(2, "FP32") + write_packed(3, [array.size])
        parts = [write_text(1, "echo"), *write_bytes(5, told), *write_bytes(7, memoryview(array).cast("B"))]
        answer = self._infer(b"".join(parts), metadata=self._metadata)
        assert len(answer) > array.nbytes

    def close(self) -> None:
        self._channel.close()


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


@contextlib.contextmanager
def sending_back(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, __file__, "--send-back", serve.__name__, str(listening.fileno())],
            pass_fds=[listening.fileno()],
            stdout=subprocess.PIPE,
        )
    assert process.stdout is not None
    started = process.stdout.readline().decode().strip()
    try:
        yield int(started) or port
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def give_back_plainly(listening: socket.socket) -> None:
    print(0, flush=True)
    connection, _ = listening.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    whole, place = memoryview(bytearray(LARGE * 4)), 0
    while size := connection.recv_into(whole[place:]):
        place += size
        if place == len(whole):
            connection.sendall(whole)
            place = 0


def give_back_by_grpc(listening: socket.socket) -> None:
    """At a port of its own: the library takes no socket."""
    import grpc

    listening.close()

    class Handler(grpc.GenericRpcHandler):
        def service(self, _details: object) -> object:
            async def give(message: bytes, _context: object) -> bytes:
                return message

            return grpc.unary_unary_rpc_method_handler(give)

    async def serve() -> None:
        options = (("grpc.max_receive_message_length", LIMIT), ("grpc.max_send_message_length", LIMIT))
        server = grpc.aio.server(handlers=(Handler(),), options=options)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        print(port, flush=True)
        await server.wait_for_termination()

    asyncio.run(serve())


@contextlib.contextmanager
def serving(model: Path, key: Path, state: Path) -> Iterator[Client]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        grpc_port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVER, str(model), "--key", str(key), "--state", str(state)]
    command += ["--port", "0", "--grpc-port", str(grpc_port), "--limit", "memory=2 GiB"]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        program = wait_until_it_listens(server)
        client = Client(program.port, grpc_port, program.key, server.pid)
        try:
            yield client
        finally:
            client.close()
            server.terminate()
            server.communicate()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--send-back"]:
        {"give_back_plainly": give_back_plainly, "give_back_by_grpc": give_back_by_grpc}[sys.argv[2]](
            socket.socket(fileno=int(sys.argv[3]))
        )
    sys.exit(main())
