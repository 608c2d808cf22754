"""The logits of a text's windows become one by their mean, their maximum, or learned weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from clinpeft.models.catalogue import resolve
from clinpeft.models.load import Head, load
from clinpeft.models.windows import WindowPool, window_pooling_of
from clinpeft.spec import Kind, ModelChoice

LOGITS = torch.tensor([[1.0, 0.0], [3.0, -2.0], [5.0, 4.0]])
FEATURES = torch.tensor([[0.0, 0.0, 0.0, 2.0], [0.0, 0.0, 0.0, 4.0], [1.0, 1.0, 1.0, 1.0]])


def test_the_mean_is_over_each_texts_own_windows() -> None:
    pooled = WindowPool("mean", 4)(LOGITS, FEATURES, (2, 1))

    assert pooled.tolist() == [[2.0, -1.0], [5.0, 4.0]]


def test_the_maximum_is_that_of_each_logit() -> None:
    assert WindowPool("max", 4)(LOGITS, FEATURES, (2, 1)).tolist() == [[3.0, 0.0], [5.0, 4.0]]


def test_learned_weights_start_with_the_mean() -> None:
    torch.testing.assert_close(WindowPool("attention", 4)(LOGITS, FEATURES, (2, 1)), torch.tensor([[2.0, -1], [5, 4]]))


def test_learned_weights_are_a_softmax_over_a_texts_windows() -> None:
    pool = WindowPool("attention", 4)
    assert pool.attention is not None
    with torch.no_grad():
        pool.attention.copy_(torch.tensor([0.0, 0.0, 0.0, 1.0]))
    pooled = pool(LOGITS, FEATURES, (2, 1))
    # Products 2 and 4, over the root of the width 4: weights e¹ and e² over their sum.
    second = float(torch.tensor([1.0, 2.0]).softmax(0)[1])

    torch.testing.assert_close(pooled, torch.tensor([[1 + 2 * second, -2 * second], [5.0, 4.0]]))


def test_learned_weights_are_part_of_the_head_and_the_others_have_none(tiny_model: Path) -> None:
    model = resolve(ModelChoice(name="own", path=str(tiny_model)), Path())
    plain, attended = (load(model, "classification", 3, 1, long_text=way) for way in ("windows", "windows_attention"))

    assert set(attended.head.state_dict()) - set(plain.head.state_dict()) == {"windows.attention"}
    assert all(torch.equal(value, attended.head.state_dict()[name]) for name, value in plain.head.state_dict().items())


@pytest.mark.parametrize(
    ("kind", "long_text", "expected"),
    [
        ("classification", "windows", "mean"),
        ("multilabel", "windows_max", "max"),
        ("pairs", "windows_attention", "attention"),
        ("entities", "windows_attention", "mean"),
        ("relations", "windows_attention", "mean"),
        ("classification", "truncate", "mean"),
    ],
)
def test_only_kinds_with_one_answer_a_text_pool(kind: Kind, long_text: str, expected: str) -> None:
    assert window_pooling_of(kind, long_text) == expected


def test_tags_are_not_pooled() -> None:
    head = Head("words", 4, 3, has_pooler=False).eval()
    states = torch.randn(3, 5, 4)

    assert torch.equal(head(states, (2, 1)), head(states))
