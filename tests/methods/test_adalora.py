"""AdaLoRA: its schedule, its penalty, and going on from any point of either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from clinpeft.methods.adalora import AdaLora
from clinpeft.methods.base import Context
from clinpeft.models.load import ClinicalModel
from clinpeft.testing.tiny import tiny_batch, tiny_model

BATCH = tiny_batch("classification")
METHOD = AdaLora(r=3, start=2)
NUM_STEPS = 20


def fresh(num_steps: int = NUM_STEPS, seed: int = 0) -> ClinicalModel:
    model = tiny_model("bert", "classification", 3)
    torch.manual_seed(seed)
    return METHOD.apply(model, model.card, Context(seed, "classification", num_steps, lambda: iter(())))


def optimizer_of(model: ClinicalModel) -> torch.optim.Optimizer:
    return METHOD.optimizer(METHOD.parameter_groups(model, 1e-2, 1e-3, 0.0))


def train(model: ClinicalModel, optimizer: torch.optim.Optimizer, first: int, last: int) -> None:
    model.eval()
    for step in range(first, last + 1):
        loss = torch.nn.functional.cross_entropy(model(BATCH), BATCH.labels) + METHOD.extra_loss(model)
        loss.backward()
        optimizer.step()
        METHOD.after_step(model, step)
        optimizer.zero_grad()


def values(model: ClinicalModel) -> torch.Tensor:
    """All diagonals, one after the other."""
    return torch.cat([value.detach().flatten() for name, value in model.named_parameters() if "lora_E" in name])


def test_at_the_end_as_many_entries_are_left_as_the_rank_says() -> None:
    model = fresh()
    train(model, optimizer_of(model), 1, NUM_STEPS)

    # Four maps of six entries each at the start, of three on average at the end.
    assert len(values(model)) == 4 * 6
    assert int((values(model) != 0).sum()) == 4 * 3


def test_in_the_first_tenth_of_the_steps_every_entry_trains() -> None:
    model = fresh()
    train(model, optimizer_of(model), 1, 2)

    assert bool((values(model) != 0).all())


@pytest.mark.parametrize("num_steps", [1, 2, 3, 4, 7])
def test_a_run_of_a_few_steps_gets_through_its_schedule(num_steps: int) -> None:
    model = fresh(num_steps)
    train(model, optimizer_of(model), 1, num_steps)

    assert bool(torch.isfinite(values(model)).all())


@pytest.mark.parametrize("num_steps", [1, 9, 14, 17, NUM_STEPS])
def test_what_is_saved_at_any_step_gives_the_same_answers(num_steps: int, tmp_path: Path, logits: Any) -> None:
    model = fresh()
    train(model, optimizer_of(model), 1, num_steps)
    with torch.no_grad():
        # Between two allocations, a masked entry has grown again.
        next(value for name, value in model.named_parameters() if "lora_E" in name).fill_(0.5)
    METHOD.save(model, tmp_path)
    again = fresh(seed=5)
    METHOD.load(again, tmp_path)

    assert torch.equal(logits(again, BATCH), logits(model, BATCH)) or num_steps == NUM_STEPS
    torch.testing.assert_close(logits(again, BATCH), logits(model, BATCH), atol=1e-6, rtol=0)


@pytest.mark.parametrize("cut", [1, 5, 9, 14, 16])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(cut: int) -> None:
    whole = fresh()
    train(whole, optimizer_of(whole), 1, NUM_STEPS)

    model = fresh()
    optimizer = optimizer_of(model)
    train(model, optimizer, 1, cut)
    state = {name: value.clone() for name, value in METHOD.training_state(model).items()}
    resumed = fresh(seed=5)
    with torch.no_grad():
        for value, trained in zip(resumed.parameters(), model.parameters(), strict=True):
            value.copy_(trained)
    METHOD.load_training_state(resumed, state)
    going_on = optimizer_of(resumed)
    going_on.load_state_dict(optimizer.state_dict())
    train(resumed, going_on, cut + 1, NUM_STEPS)

    assert all(torch.equal(a, b) for a, b in zip(resumed.parameters(), whole.parameters(), strict=True))


def test_the_training_state_is_tensors_that_a_checkpoint_can_hold(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    model = fresh()
    train(model, optimizer_of(model), 1, 9)
    state = METHOD.training_state(model)
    save_file(state, tmp_path / "state.safetensors")
    again = fresh()
    METHOD.load_training_state(again, load_file(tmp_path / "state.safetensors"))

    # Three numbers for each of A, B and E of four maps, and which entries are left in each map.
    assert len(state) == 3 * 3 * 4 + 4
    assert {name: value.tolist() for name, value in METHOD.training_state(again).items()} == {
        name: value.tolist() for name, value in state.items()
    }


def test_the_penalty_is_the_mean_distance_from_orthonormal_rows() -> None:
    model = fresh()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_A" in name:
                value.copy_(torch.eye(6, 32))
            if "lora_B" in name:
                # B Bᵀ is 4 times the unit matrix of 6 dimensions, and so 3 · √6 away from it.
                value.copy_(2 * torch.eye(32, 6))

    assert METHOD.extra_loss(model).item() == pytest.approx(0.5 * (0 + 3 * 6**0.5) / 2)
    assert AdaLora(orthogonality=0).extra_loss(model) is None


def test_the_loop_lets_it_see_the_gradients(tiny_model: Path, applied: Any) -> None:
    from clinpeft.spec import TrainOptions
    from clinpeft.train.engine import set_up
    from clinpeft.train.loop import Training, fit
    from clinpeft.train.meter import Meter

    method = AdaLora(r=3, start=2)
    model = applied(method, tiny_model)
    options = TrainOptions(
        epochs=10, learning_rate=1e-2, head_learning_rate=1e-3, early_stopping_patience=None, precision="fp32"
    )
    device = torch.device("cpu")
    training = Training(
        model=model,
        method=method,
        stream=lambda epoch: iter([BATCH]),
        num_steps=10,
        kind="classification",
        options=options,
        seed=0,
        engine=set_up(model, options, device),
    )
    fit(training, lambda: None, Meter(device))

    assert int((values(model) != 0).sum()) == 4 * 3
