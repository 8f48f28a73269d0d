"""What all examples here share: a training loop with a progress bar, a picture of the loss, and a signature."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib as mpl
import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from tqdm import tqdm

PLACE = Path(os.environ.get("OSTIARY_EXAMPLES", "build/examples"))
Loss = Callable[[nn.Module, mx.array, mx.array], mx.array]


def load_digits() -> tuple[mx.array, mx.array, mx.array, mx.array]:
    """1,797 handwritten digits of 8 by 8 points, as scikit-learn ships them: to train on, and to judge by."""
    from sklearn.datasets import load_digits as load  # noqa: PLC0415  the other examples do without

    images, labels = load(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    images = (images[order] / 16).astype(np.float32).reshape(-1, 8, 8)
    labels = labels[order].astype(np.int32)
    return mx.array(images[:1400]), mx.array(labels[:1400]), mx.array(images[1400:]), mx.array(labels[1400:])


def train(
    model: nn.Module, loss: Loss, x: mx.array, y: mx.array, steps: int, *, rate: float = 2e-3, batch: int = 64
) -> list[float]:
    """Adam over random batches, its rate falling to nothing. Returns the loss of each step."""
    optimizer = optim.AdamW(optim.cosine_decay(rate, steps), weight_decay=1e-4)
    gradient = nn.value_and_grad(model, loss)
    losses: list[float] = []
    model.train()
    with tqdm(total=steps, unit="step", ncols=88, disable=not sys.stderr.isatty()) as bar:
        for chosen in _draw(len(x), batch, steps):
            value, gradients = gradient(model, x[chosen], y[chosen])
            optimizer.update(model, gradients)
            mx.eval(model.state, optimizer.state)
            losses.append(value.item())
            bar.update()
            bar.set_postfix(loss=f"{losses[-1]:.3f}")
    model.eval()
    return losses


def _draw(count: int, batch: int, steps: int) -> Iterator[mx.array]:
    dice = np.random.default_rng(1)
    for _ in range(steps):
        yield mx.array(dice.choice(count, batch, replace=False))


def plot_loss(losses: list[float], name: str) -> Path:
    """A picture of how the training went."""
    mpl.use("agg")
    from matplotlib import pyplot  # noqa: PLC0415  it wants to know first that there is no window

    figure, axes = pyplot.subplots(figsize=(7, 3.5), layout="constrained")
    axes.plot(losses, color="#b8c4d6", linewidth=0.8, label="each step")
    width = max(1, len(losses) // 40)
    smooth = np.convolve(losses, np.ones(width) / width, mode="valid")
    axes.plot(np.arange(len(smooth)) + width - 1, smooth, color="#1f4e9c", linewidth=1.8, label=f"mean of {width}")
    axes.set(title=f"{name}: loss in training", xlabel="step", ylabel="loss", yscale="log")
    axes.grid(visible=True, color="#eeeeee")
    axes.legend(frameon=False)
    PLACE.mkdir(parents=True, exist_ok=True)
    path = PLACE / f"{name}-loss.png"
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
    return path


def make_place(name: str) -> Path:
    """An empty place for a model that is exported anew."""
    place = PLACE / name
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def sign(model: Path, model_id: str) -> Path:
    """As on the command line, with a key made for these examples. Returns the public key."""
    key = PLACE / "examples.key"
    if not key.exists():
        _run("keygen", str(key.with_suffix("")))
    _run("sign", str(model), "--key", str(key), "--id", model_id)
    return key.with_suffix(".pub")


def _run(*words: str) -> None:
    environment = {"OSTIARY_PASSPHRASE": "a key of examples guards nothing", **os.environ}
    program = [sys.executable, "-m", "ostiary", *words]
    subprocess.run(program, check=True, stdout=subprocess.DEVNULL, env=environment)  # noqa: S603


def read_steps(default: int) -> int:
    """How long to train: the first word on the command line, if there is one."""
    return int(sys.argv[1]) if len(sys.argv) > 1 else default
