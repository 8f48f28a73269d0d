"""What `make demo` shows: a function signed, verified and asked behind the wall; what is refused; what is recorded.

It trains nothing and fetches nothing. Every line after a `$` is a command that was run, and what it said. On a
terminal it ends in a running server; elsewhere only with `--ask`, which asks it once and stops.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from demo_server import serve
from hostile_function import write_thief

from ostiary.library.npy import read_npy_file, render_npy
from ostiary.testing import HostilePublisher

HERE = Path(__file__).resolve().parent
TRUTH = (7, 2, 5, 9)
"""What the four digits are that it is asked about."""
SHADES = " ░▒▓█"
SHOWN = ("model.signed", "cell.started", "request.computed", "request.refused", "model.refused")
HAS_COLOR = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="ostiary-demo-") as name:
        demo = Demo(Path(name))
        demo.show_publishing()
        demo.show_answer()
        demo.show_refusals()
        demo.show_hostile()
        demo.show_record()
        status = demo.finish()
        asks = "--ask" in sys.argv[1:]
        if asks or sys.stdout.isatty():
            print()
            demo.show_server(asks=asks)
        return status


class Demo:
    """One run, in a directory and with a record of its own."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._environment = {
            **os.environ,
            "OSTIARY_STATE_DIR": str(place / "record"),
            "OSTIARY_PASSPHRASE": secrets.token_hex(16),
            "XDG_CONFIG_HOME": str(place / "config"),
        }
        self._chapter = 0
        self._surprises: list[str] = []

    def show_publishing(self) -> None:
        shutil.copytree(HERE / "models" / "digits", self._place / "digits")
        shutil.copy(HERE / "samples" / "digits.npy", self._place / "four.npy")
        self._tell(
            "A researcher publishes a function",
            "A digit classifier, trained with mlx.nn and exported by examples/digits.py. It is read, not run.",
        )
        self._run("inspect digits")
        self._tell("It is signed, with a key made for this", "From here on not one byte of it can change unseen.")
        self._run("keygen demo")
        self._run("sign digits --key demo.key --id demo/digits")

    def show_answer(self) -> None:
        self._tell(
            "It is asked, behind the wall",
            "Sealed, and run in a process that can read nothing and reach nobody. Which digits are these?",
        )
        images = _read_rows(self._place / "four.npy", 64)
        print(draw(images), flush=True)
        self._run("run digits --key demo.pub --input image=four.npy --output said.npy")
        said = self._place / "said.npy"
        if said.exists():
            print(draw_answers(_read_rows(said, 10)), flush=True)

    def show_refusals(self) -> None:
        self._tell(
            "Somebody changes one bit of one weight", "The signature says which file it is. It is not loaded."
        )
        tampered = self._place / "tampered"
        shutil.copytree(self._place / "digits", tampered)
        weights = tampered / "graph.safetensors"
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1
        weights.write_bytes(data)
        self._run("run tampered --key demo.pub --input image=four.npy", expect=3)
        self._tell(
            "A picture does not fit the contract",
            "One point is brighter than the contract lets any point be. The model never sees it.",
        )
        tensor = read_npy_file(self._place / "four.npy")
        points = memoryview(bytearray(tensor.data)).cast("f")
        points[64 + 8 * 3 + 5] = 1e9
        glare = type(tensor)(tensor.datatype, tensor.shape, points.cast("B"))
        (self._place / "glare.npy").write_bytes(b"".join(bytes(part) for part in render_npy(glare)))
        self._run("run digits --key demo.pub --input image=glare.npy", expect=3)

    def show_hostile(self) -> None:
        self._tell(
            "A hostile function, signed and well-formed",
            "It looks up any place in a table of eight. MLX would read beyond it, and tell what lies there.",
        )
        write_thief(self._place / "thief")
        self._run("sign thief --key demo.key")
        self._run("run thief --key demo.pub --quiet --input place=[2,7]")
        self._run("run thief --key demo.pub --quiet --input place=[2,123456789]", expect=3)
        self._tell("A hostile file among honest ones", "It is named like weights, and is a program.")
        HostilePublisher(self._place).publish("renamed-pickle")
        self._run("inspect renamed-pickle", expect=3)

    def show_record(self) -> None:
        self._tell(
            "The record has all of it",
            "Signed and chained entry by entry: nobody can change or drop one without its being seen.",
        )
        print(self._draw_record(), flush=True)
        self._run("record checkpoint --output kept.txt")
        self._run("record verify --checkpoint kept.txt")
        self._tell("Somebody takes a word out of a copy of the record", "It shows.")
        forged = self._place / "forged"
        shutil.copytree(self._place / "record", forged)
        with closing(sqlite3.connect(forged / "record" / "log.db")) as database, database:
            database.execute(
                "UPDATE entry SET body = CAST(replace(CAST(body AS TEXT), 'CONTRACT_RANGE', 'NONE') AS BLOB)"
            )
        self._run("record verify --state forged", expect=3)

    def show_server(self, *, asks: bool) -> None:
        self._tell(
            "A language model behind the HTTP door",
            "It speaks the protocols that clients of OpenAI and Anthropic speak already.",
        )
        HostilePublisher(self._place).publish_honest()
        self._run("sign honest --key demo.key --id demo/honest")
        serve(self._place, self._environment, asks=asks)

    def _draw_record(self) -> str:
        """The entries that tell the story, in a line each."""
        program = [sys.executable, "-m", "ostiary", "record", "tail", "--json", "-n", "100"]
        done = subprocess.run(  # noqa: S603
            program, cwd=self._place, env=self._environment, check=True, stdout=subprocess.PIPE, text=True
        )
        lines = []
        for entry in map(json.loads, done.stdout.splitlines()):
            told, kind = entry["data"], entry["kind"]
            if kind not in SHOWN:
                continue
            said = " ".join(str(told[name]) for name in ("name", "code", "field", "limit") if told.get(name))
            if "layers" in told:
                said = f"behind {len(told['layers'])} layers"
            if kind == "request.computed":
                said = f"{told['input_bytes']:,} bytes in, {told['output_bytes']:,} out"
            color = "31" if "refused" in kind else "32"
            lines.append(f"   {entry['n']:>3}  {_paint(kind.ljust(17), color)}  {said}")
        return "\n".join([*lines, ""])

    def finish(self) -> int:
        if not self._surprises:
            print(_paint("Everything happened as it should.", "1;32"))
            return 0
        print(_paint("Not everything happened as it should:", "1;31"))
        for surprise in self._surprises:
            print(f"  {surprise}")
        print("'ostiary doctor' says whether models can run here behind the whole wall, and what is missing.")
        return 1

    def _tell(self, title: str, text: str) -> None:
        self._chapter += 1
        print(_paint(f"{self._chapter}  {title}", "1;36"))
        print(_paint(textwrap.indent(textwrap.fill(text, 97), "   "), "2"), flush=True)

    def _run(self, words: str, expect: int = 0) -> None:
        """Type one command, as a person would, and show what it answers."""
        print(f"{_paint('$', '2')} {_paint(f'ostiary {words}', '1')}", flush=True)
        program = [sys.executable, "-m", "ostiary", *words.split()]
        done = subprocess.run(program, cwd=self._place, env=self._environment, check=False)  # noqa: S603
        color = "32" if done.returncode == expect else "31"
        print(_paint(f"(exit status {done.returncode})", color) + "\n", flush=True)
        if done.returncode != expect:
            self._surprises.append(f"'ostiary {words}' ended with {done.returncode} and not with {expect}")


def draw(images: Sequence[Sequence[float]]) -> str:
    """Images of 8 by 8 points, side by side; a point is as wide as two letters."""
    lines = []
    for row in range(8):
        parts = ["".join(_draw_point(point) for point in image[8 * row : 8 * row + 8]) for image in images]
        lines.append("   " + "   ".join(parts))
    return "\n".join([*lines, ""])


def _draw_point(point: float) -> str:
    if HAS_COLOR:
        return f"\x1b[48;5;{232 + round(point * 23)}m  \x1b[0m"
    return SHADES[round(point * (len(SHADES) - 1))] * 2


def draw_answers(rows: Sequence[Sequence[float]]) -> str:
    """Below each image, what it was taken for and how surely."""
    answers, bars = [], []
    for row, truth in zip(rows, TRUTH, strict=True):
        share = max(row)
        digit = row.index(share)
        color = "1;32" if digit == truth else "1;33"
        note = "" if digit == truth else f" (a {truth})"
        answers.append(_paint(f"{digit}{note}".ljust(9) + f"{share:6.1%}".rjust(7), color))
        bars.append(_paint(("█" * round(share * 16)).ljust(16, "·"), color))
    wrong = "\n   It is wrong about the last one. Nothing here makes a model right.\n"
    return "\n".join(["   " + "   ".join(bars), "   " + "   ".join(answers), wrong])


def _read_rows(path: Path, width: int) -> list[list[float]]:
    numbers = list(read_npy_file(path).data.cast("f"))
    return [numbers[start : start + width] for start in range(0, len(numbers), width)]


def _paint(text: str, style: str) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if HAS_COLOR else text


if __name__ == "__main__":
    sys.exit(main())
