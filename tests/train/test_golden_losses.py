"""Twenty losses of every method on a tiny BERT are what they were: a change of what training does is noticed.

After a change that is meant (and that raises TRAINING_CODE), CLINPEFT_GOLDEN_LOSSES=write writes them anew.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from clinpeft.methods.base import METHODS
from clinpeft.train import loop

GOLDEN = Path(__file__).parents[1] / "golden" / "losses.json"
NAMES = ("full", "head-only", "bitfit", "lora", "ia3", "prefix-tuning", "prompt-tuning", "p-tuning", "adalora")


@pytest.mark.parametrize("name", NAMES)
def test_the_losses_are_those_that_were_committed(
    name: str, make_model: Any, train: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses: list[float] = []
    plain = loop._backward

    def recorded(*arguments: Any) -> float:
        losses.append(plain(*arguments))
        return losses[-1]

    monkeypatch.setattr(loop, "_backward", recorded)
    method = METHODS.get(name)()
    train(make_model(method), method, epochs=10, learning_rate=method.learning_rate)
    golden = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.exists() else {}
    if os.environ.get("CLINPEFT_GOLDEN_LOSSES") == "write":
        text = json.dumps({**golden, name: [round(loss, 6) for loss in losses]}, indent=1, sort_keys=True)
        GOLDEN.write_text(text + "\n", encoding="utf-8")
        return

    # Bit for bit on one machine; between machines sums are rounded in another order.
    assert losses == pytest.approx(golden[name], abs=1e-4)
    assert len(losses) == 20
    assert losses[0] > losses[-1]
