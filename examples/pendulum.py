"""How long is the pendulum? A small transformer reads the noisy angle of a swinging one."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from workbench import make_place, plot_loss, read_steps, sign, train

import ostiary

NAME = "pendulum"
SECONDS_APART = 0.1


def swing(count: int, moments: int, seed: int) -> tuple[mx.array, mx.array]:
    """Angles of pendulums of 0.2 to 2 metres, from anywhere in their swing, with noise; and their lengths."""
    dice = np.random.default_rng(seed)
    length = dice.uniform(0.2, 2.0, (count, 1))
    time = np.arange(moments) * SECONDS_APART
    phase = dice.uniform(0, 2 * np.pi, (count, 1))
    angle = np.cos(np.sqrt(9.81 / length) * time + phase) + dice.normal(0, 0.05, (count, moments))
    return mx.array(angle.astype(np.float32)), mx.array(length[:, 0].astype(np.float32))


class Watcher(nn.Module):
    """Each moment is a token of a transformer encoder; the mean of what it makes of them is read."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.embed = nn.Linear(3, width)
        self.places = nn.SinusoidalPositionalEncoding(width)
        self.encode = nn.TransformerEncoder(1, width, num_heads=4, mlp_dims=2 * width)
        self.head = nn.Linear(width, 1)

    def __call__(self, angle: mx.array) -> mx.array:
        speed = mx.concatenate([angle[:, :1] * 0, angle[:, 1:] - angle[:, :-1]], axis=1)
        x = self.embed(mx.stack([angle, speed, speed * speed], axis=-1))
        x = x + self.places(mx.arange(angle.shape[1]))
        x = self.encode(x, None)
        return nn.softplus(self.head(x.mean(axis=1)))[:, 0]


def loss(model: Watcher, x: mx.array, y: mx.array) -> mx.array:
    return nn.losses.huber_loss(model(x), y, delta=0.2, reduction="mean")


def measure(lengths: np.ndarray, truth: mx.array) -> float:
    """How far off, in metres, on average."""
    return float(np.abs(lengths - np.array(truth)).mean())


def main() -> None:
    mx.random.seed(7)
    x, y = swing(4000, 32, seed=1)
    test_x, test_y = swing(400, 32, seed=2)
    model = Watcher()
    losses = train(model, loss, x, y, read_steps(500), rate=5e-3)
    before = measure(np.array(model(test_x)), test_y)

    path = make_place(NAME)
    ostiary.export(
        model,
        {"angle": test_x[:2]},
        path,
        name=NAME,
        dims="batch",
        outputs="length",
        finite=True,
        card={"data": "pendulums that were computed", "metrics": {"mean absolute error": f"{before:.5f} m"}},
    )
    key = sign(path, f"examples/{NAME}")
    with ostiary.open(path, key=key) as walled:
        lengths = walled(angle=np.array(test_x)).only
    after = measure(lengths, test_y)

    picture = plot_loss(losses, NAME)
    print(f"{NAME}: {before * 100:.2f} cm off in training, {after * 100:.2f} behind the wall; {picture}")
    if abs(before - after) > 1e-6:  # a batch of another size may add up in another order
        raise SystemExit("the exported model answers differently")


if __name__ == "__main__":
    main()
