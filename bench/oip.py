"""What the Open Inference Protocol costs: small functions and tensors of 64 MB, over HTTP, gRPC, and in process.

    python bench/oip.py                      1,000 small calls of each kind, and 10 large ones
    python bench/oip.py --calls 100          a look

The function gives back what it is given and checks no number, behind the whole wall: what is left is the way there
and back. The door has a key to check and a record to write, as always. One client asks over one connection, one
call after the other. The rounds take turns; told is the median of each, and what it is beyond the call in the
program that opened the model: for small calls that is to be below 0.5 milliseconds. Large ones are told in bytes
that went one way, through door and worker and back, by the fastest call: other programs have a part in the rest.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
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
LARGE: Final = 16 << 20
"""Numbers of four bytes."""
SERVER: Final = "import sys; from ostiary.cli.main import main; sys.exit(main(['serve', *sys.argv[1:]]))"
PATH: Final = "/inference.GRPCInferenceService/ModelInfer"
LIMIT: Final = 257 << 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1_000, metavar="N", help="small ones of each kind")
    parser.add_argument("--large", type=int, default=10, metavar="N", help="large ones of each kind")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        folder = Path(place)
        model = write_echo(folder / "echo")
        key = sign_model(model)
        limits: dict[str, int | str] = {"memory": "2 GiB"}
        opened = stack.enter_context(ostiary.open(model, key=key, state=folder / "here", limits=limits))
        client = stack.enter_context(serving(model, key, folder / "there"))
        small, large = numpy.ones(8, "f4"), numpy.ones(LARGE, "f4")
        kinds: dict[str, Callable[[object], object]] = {
            "in the same program": lambda array: opened(x=array),
            "over HTTP, binary": client.ask,
            "over gRPC, raw": client.ask_grpc,
        }
        cost = tell(measure(kinds, small, max(1, options.calls // ROUNDS)))
        for name, act in kinds.items():
            seconds = min(time_one(act, large) for _ in range(options.large))
            print(f"{name:28}{large.nbytes / seconds / 1e9:>7.2f} GB/s   {large.nbytes >> 20} MiB each way")
    return 0 if cost < WANTED_MS else 1


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


def write_echo(place: Path) -> Path:
    """A model directory: y is x."""
    length = dim("length")
    contract = FunctionContract(
        "echo",
        (ContractDim("length", 1, None),),
        (TensorInput("x", "FP32", (length,)),),
        (TensorOutput("y", "FP32", (length,)),),
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

    def __init__(self, port: int, grpc_port: int, key: str) -> None:
        import grpc

        self._connection: Final = socket.create_connection(("127.0.0.1", port))
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._key: Final = key
        options = (("grpc.max_receive_message_length", LIMIT), ("grpc.max_send_message_length", LIMIT))
        self._channel: Final = grpc.insecure_channel(f"127.0.0.1:{grpc_port}", options)
        self._infer: Final = self._channel.unary_unary(PATH)

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
        told = write_text(1, "x") + write_text(2, "FP32") + write_packed(3, [array.size])
        parts = [write_text(1, "echo"), *write_bytes(5, told), *write_bytes(7, memoryview(array).cast("B"))]
        answer = self._infer(b"".join(parts), metadata=(("authorization", f"Bearer {self._key}"),))
        assert len(answer) > array.nbytes

    def close(self) -> None:
        self._channel.close()
        self._connection.close()

    def _take(self, least: int) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._connection.recv(65_536)
        top, _, rest = data.partition(b"\r\n\r\n")
        found = re.search(rb"\r\ncontent-length: (\d+)", top)
        assert found is not None
        assert int(found[1]) > least, top + rest[:500]
        whole = bytearray(int(found[1]))
        whole[: len(rest)] = rest
        view, place = memoryview(whole), len(rest)
        while place < len(whole):
            size = self._connection.recv_into(view[place:])
            assert size, "the server closed the connection"
            place += size


@contextlib.contextmanager
def serving(model: Path, key: Path, state: Path) -> Iterator[Client]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        grpc_port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVER, str(model), "--key", str(key), "--state", str(state)]
    command += ["--port", "0", "--grpc-port", str(grpc_port), "--limit", "memory=2 GiB"]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        port = int(server.stdout.readline().rpartition(":")[2])
        shown = ""
        while "connections;" not in shown:
            shown += server.stderr.readline()
        found = re.search(r"ost_\S+", shown)
        assert found is not None
        client = Client(port, grpc_port, found[0])
        try:
            yield client
        finally:
            client.close()
            server.terminate()
            server.communicate()


if __name__ == "__main__":
    sys.exit(main())
