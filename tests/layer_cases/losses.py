"""Losses, which a function may give beside what it predicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from layer_cases.base import Case, Given, case

_PAIR: Final = ((4, 5), (4, 5))
_UNIT: Final = (Given((4, 5)), Given((4, 5), "unit"))


def _list_reductions(name: str, *given: Given | tuple[int, ...]) -> Iterator[Case]:
    for reduction in ("none", "sum", "mean"):
        yield case(
            name,
            lambda _mx, nn, reduction=reduction: lambda a, b: getattr(nn.losses, name)(a, b, reduction=reduction),
            *given,
            variant=reduction,
        )


LOSSES: Final = (
    *_list_reductions("cross_entropy", (4, 5), Given((4,), 5)),
    *_list_reductions("binary_cross_entropy", *_UNIT),
    *_list_reductions("l1_loss", *_PAIR),
    *_list_reductions("mse_loss", *_PAIR),
    *_list_reductions("nll_loss", (4, 5), Given((4,), 5)),
    *_list_reductions("kl_div_loss", *_PAIR),
    *_list_reductions("smooth_l1_loss", *_PAIR),
    *_list_reductions("hinge_loss", Given((4, 5)), Given((4, 5), "sign")),
    *_list_reductions("huber_loss", *_PAIR),
    *_list_reductions("log_cosh_loss", *_PAIR),
    *_list_reductions("cosine_similarity_loss", *_PAIR),
    case(
        "cross_entropy",
        lambda _mx, nn: lambda x, y: nn.losses.cross_entropy(x, y, label_smoothing=0.1),
        (4, 5),
        Given((4,), 5),
        variant="smooth",
    ),
    case("cross_entropy", lambda _mx, nn: nn.losses.cross_entropy, *_UNIT, variant="probabilities"),
    case(
        "binary_cross_entropy",
        lambda _mx, nn: lambda x, y: nn.losses.binary_cross_entropy(x, y, with_logits=False),
        Given((4, 5), "unit"),
        Given((4, 5), "unit"),
        variant="probabilities",
    ),
    case("gaussian_nll_loss", lambda _mx, nn: nn.losses.gaussian_nll_loss, *_PAIR, Given((4, 5), "unit")),
    case("triplet_loss", lambda _mx, nn: nn.losses.triplet_loss, *_PAIR, (4, 5)),
    case("margin_ranking_loss", lambda _mx, nn: nn.losses.margin_ranking_loss, *_PAIR, Given((4, 5), "sign")),
)
