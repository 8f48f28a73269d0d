"""The digits once more, by weights of four bits: trained in full, then packed, and exported as they are packed."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from workbench import load_digits, make_place, plot_loss, read_steps, sign, train

import ostiary

NAME = "digits-small"


class Digits(nn.Module):
    """Rows of an image are looked at together, then all of it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64, 256)
        self.norm = nn.LayerNorm(256)
        self.second = nn.Linear(256, 256)
        self.head = nn.Linear(256, 10)

    def __call__(self, image: mx.array) -> mx.array:
        x = self.norm(nn.silu(self.first(image.flatten(1))))
        return self.head(x + nn.silu(self.second(x)))


def loss(model: Digits, x: mx.array, y: mx.array) -> mx.array:
    return nn.losses.cross_entropy(model(x), y, reduction="mean")


def main() -> None:
    mx.random.seed(7)
    x, y, test_x, test_y = load_digits()
    model = Digits()
    losses = train(model, loss, x, y, read_steps(300))
    full = np.mean(np.array(model(test_x).argmax(axis=1) == test_y))
    nn.quantize(model, group_size=32, bits=4)
    before = np.mean(np.array(model(test_x).argmax(axis=1) == test_y))

    path = make_place(NAME)
    ostiary.export(
        model,
        {"image": test_x[:2]},
        path,
        name=NAME,
        dims="batch",
        outputs="scores",
        finite=True,
        ranges={"image": (0.0, 1.0)},
        card={
            "data": "scikit-learn's handwritten digits, 1,400 of 1,797",
            "metrics": {"accuracy": f"{before:.4f}"},
        },
    )
    key = sign(path, f"examples/{NAME}")
    with ostiary.open(path, key=key) as walled:
        scores = walled(image=np.array(test_x)).only
    after = np.mean(scores.argmax(axis=1) == np.array(test_y))

    picture = plot_loss(losses, NAME)
    print(f"{NAME}: accuracy {full:.2%} in full, {before:.2%} packed, {after:.2%} behind the wall; {picture}")
    if before != after:
        raise SystemExit("the exported model answers differently")


if __name__ == "__main__":
    main()
