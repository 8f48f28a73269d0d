"""The same digits by a convolutional network, with batch normalisation: images of 8 by 8 points and one colour."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from workbench import load_digits, make_place, plot_loss, read_steps, sign, train

import ostiary

NAME = "digits-conv"


class Block(nn.Module):
    """Convolution, normalisation, and something left out in training."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.convolve = nn.Conv2d(before, after, kernel_size=3, padding=1)
        self.normalise = nn.BatchNorm(after)
        self.leave_out = nn.Dropout(0.1)

    def __call__(self, x: mx.array) -> mx.array:
        return self.leave_out(nn.gelu(self.normalise(self.convolve(x))))


class Digits(nn.Module):
    """Two blocks, each followed by pooling; the scores of ten digits."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Block(1, 16), Block(16, 32)
        self.pool = nn.MaxPool2d(2, stride=2)
        self.head = nn.Linear(32 * 4, 10)

    def __call__(self, image: mx.array) -> mx.array:
        x = self.pool(self.first(image))
        x = self.pool(self.second(x))
        return self.head(x.flatten(1))


def loss(model: Digits, x: mx.array, y: mx.array) -> mx.array:
    return nn.losses.cross_entropy(model(x), y, label_smoothing=0.05, reduction="mean")


def main() -> None:
    mx.random.seed(7)
    x, y, test_x, test_y = load_digits()
    x, test_x = x[..., None], test_x[..., None]
    model = Digits()
    losses = train(model, loss, x, y, read_steps(300), rate=4e-3)
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

    print(f"{NAME}: accuracy {before:.2%} in training, {after:.2%} behind the wall; {plot_loss(losses, NAME)}")
    if before != after:
        raise SystemExit("the exported model answers differently")


if __name__ == "__main__":
    main()
