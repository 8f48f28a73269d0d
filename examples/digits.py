"""Which digit is it? A small network is trained, exported, signed, and asked again behind the wall."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from workbench import load_digits, make_place, plot_loss, read_steps, sign, train

import ostiary

NAME = "digits"


class Digits(nn.Module):
    """Two hidden layers; ten probabilities."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(64, 96), nn.Linear(96, 48), nn.Linear(48, 10)]

    def score(self, image: mx.array) -> mx.array:
        x = image.reshape(image.shape[0], 64)
        for layer in self.layers[:-1]:
            x = nn.relu(layer(x))
        return self.layers[-1](x)

    def __call__(self, image: mx.array) -> mx.array:
        return mx.softmax(self.score(image), axis=-1)


def loss(model: Digits, x: mx.array, y: mx.array) -> mx.array:
    return nn.losses.cross_entropy(model.score(x), y, reduction="mean")


def main() -> None:
    mx.random.seed(7)
    x, y, test_x, test_y = load_digits()
    model = Digits()
    losses = train(model, loss, x, y, read_steps(800))
    before = np.mean(np.array(model(test_x).argmax(axis=1) == test_y))

    path = make_place(NAME)
    ostiary.export(
        model,
        {"image": test_x[:2]},
        path,
        name=NAME,
        dims="batch",
        outputs="probabilities",
        finite=True,
        ranges={"image": (0.0, 1.0)},
        card={
            "data": "scikit-learn's handwritten digits, 1,400 of 1,797",
            "metrics": {"accuracy": f"{before:.4f}"},
        },
    )
    key = sign(path, f"examples/{NAME}")
    with ostiary.open(path, key=key) as walled:
        answers = walled(image=test_x)["probabilities"]
    after = np.mean(np.array(answers).argmax(axis=1) == np.array(test_y))

    print(f"{NAME}: accuracy {before:.2%} in training, {after:.2%} behind the wall; {plot_loss(losses, NAME)}")
    if before != after:
        raise SystemExit("the exported model answers differently")


if __name__ == "__main__":
    main()
