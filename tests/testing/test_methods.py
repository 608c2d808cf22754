"""A method that breaks a promise fails the check that names it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from clinpeft.methods.base import Context, Method, freeze, save_head
from clinpeft.methods.head_only import HeadOnly
from clinpeft.methods.lora import Lora
from clinpeft.methods.prompt_tuning import PromptTuning
from clinpeft.models.catalogue import ModelCard
from clinpeft.models.load import ClinicalModel
from clinpeft.spec import Kind
from clinpeft.testing._rules import results
from clinpeft.testing.methods import METHOD_RULES


def detail(entry: type[Method], check: str) -> str:
    """What one check says of a method; empty when it passes."""
    rules = [rule for rule in METHOD_RULES if rule.__name__.strip("_").replace("_", " ") == check]
    assert len(rules) == 1
    return results(entry, rules)[0].detail


class Scale(nn.Module):
    """A backbone whose states are scaled by a vector that trains."""

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base, self.scale = base, nn.Parameter(torch.ones(32))

    def forward(self, **inputs: torch.Tensor) -> Any:
        output = self.base(**inputs)
        output.last_hidden_state = output.last_hidden_state * self.scale
        return output


class Scaling(Method):
    """One factor a channel of the last layer trains: a method that keeps every promise."""

    title: ClassVar[str] = "scaling: one factor a channel"
    citation: ClassVar[str] = "Nobody 2025"
    learning_rate: ClassVar[float] = 1e-2

    def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
        freeze(model)
        model.backbone = Scale(model.backbone)
        return model


@pytest.mark.parametrize("rule", METHOD_RULES, ids=lambda rule: rule.__name__.strip("_"))
def test_a_sound_method_passes(rule: Any) -> None:
    assert results(Scaling, [rule])[0].detail == ""


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ({"citation": ""}, "citation: not set"),
        ({"title": "two\nlines"}, "its title has two lines"),
        ({"learning_rate": 0.0}, "learning_rate: not set"),
    ],
)
def test_a_method_without_its_card_fails(attributes: dict[str, Any], problem: str) -> None:
    assert detail(type("Wrong", (Scaling,), attributes), "says what it is") == problem


class Optioned(Scaling):
    """Has options to tune."""

    rank: int = 4
    """Rank."""


@pytest.mark.parametrize(
    ("tunable", "problem"),
    [
        ({"rnk": (1, 2, "log")}, "'rnk' is none of its options"),
        ({"rank": (8, 2, "linear")}, "'rank' has an empty range"),
        ({"rank": (0, 2, "log")}, "'rank' has an empty range"),
        ({"rank": (1, 2, "log"), "a": (1, 2, "log"), "b": (1, 2, "log")}, "3 options to tune"),
    ],
)
def test_a_search_over_what_is_not_there_fails(tunable: Any, problem: str) -> None:
    class Tuned(Optioned):
        """Tunes."""

    Tuned.tunable = tunable

    assert detail(Tuned, "tunes at most two of its options") == problem


def test_an_option_that_is_required_or_bare_fails() -> None:
    class Bare(Scaling):
        """Cannot be made without its option."""

        rank: int

    assert detail(Bare, "is made without options").startswith("ValidationError")
    assert detail(Bare, "documents every option") == "no text under option rank"


def test_a_method_that_fails_on_a_family_instead_of_refusing_it_is_found() -> None:
    class BertOnly(Scaling):
        """Knows one architecture."""

        def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
            model.backbone.get_submodule("encoder")
            return super().apply(model, card, context)

    class Refusing(BertOnly):
        """Says so."""

        def refuses(self, card: ModelCard, kind: Kind) -> str | None:
            return None if card.family != "distilbert" else "has no encoder"

    check = "serves or refuses every family"
    assert detail(BertOnly, check).startswith("AttributeError")
    assert detail(Refusing, check) == ""


def test_virtual_tokens_that_take_no_room_are_found_out() -> None:
    class Roomless(PromptTuning):
        """Forgets that its tokens have positions."""

        def extra_positions(self) -> int:
            return 0

    assert "Error" in detail(Roomless, "serves or refuses every family")


CHECK_GRADIENTS = "trains the whole head its adapter and nothing else"


def test_a_method_that_freezes_part_of_the_head_fails() -> None:
    class HalfHead(Scaling):
        """Trains the head's matrix without its bias."""

        def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
            model = super().apply(model, card, context)
            model.head.out.bias.requires_grad_(False)
            return model

    assert detail(HalfHead, CHECK_GRADIENTS) == "classification: no gradient on head.out.bias"


def test_an_adapter_that_nothing_reads_fails() -> None:
    class Idle(Scaling):
        """Adds a parameter to no effect."""

        def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
            model = super().apply(model, card, context)
            model.backbone.idle = nn.Parameter(torch.ones(2))
            return model

    assert detail(Idle, CHECK_GRADIENTS) == "classification: no gradient on backbone.idle"


def test_a_method_that_writes_to_the_frozen_base_fails() -> None:
    class Drifting(Scaling):
        """Moves the word embeddings behind the optimiser's back."""

        def after_step(self, model: ClinicalModel, step: int) -> None:
            with torch.no_grad():
                model.backbone.get_parameter("base.embeddings.word_embeddings.weight").mul_(1.01)

    problem = "classification: training changes backbone.base.embeddings.word_embeddings.weight"
    assert detail(Drifting, CHECK_GRADIENTS) == problem


def test_a_learning_rate_at_which_nothing_is_learned_fails() -> None:
    class Slow(Scaling):
        """Hardly moves."""

        learning_rate: ClassVar[float] = 1e-9

    assert detail(Slow, "lowers the loss at its own learning rate").startswith("classification: from ")


def test_logits_that_depend_on_the_padding_fail() -> None:
    class Leaking(Scale):
        def forward(self, **inputs: torch.Tensor) -> Any:
            output = super().forward(**inputs)
            output.last_hidden_state = output.last_hidden_state + output.last_hidden_state.mean(dim=1, keepdim=True)
            return output

    class Averaging(Scaling):
        """Mixes in the mean over all positions, padding too."""

        def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
            freeze(model)
            model.backbone = Leaking(model.backbone)
            return model

    assert "differ by" in detail(Averaging, "gives the same logits whatever the padding")


def test_a_method_that_draws_from_elsewhere_than_the_seed_fails() -> None:
    class Unseeded(Scaling):
        """Starts from the time."""

        def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
            model = super().apply(model, card, context)
            with torch.no_grad():
                model.backbone.get_parameter("scale").add_(time.perf_counter_ns() % 1000 / 1000)
            return model

    assert detail(Unseeded, "trains the same from the same seed").endswith(" differs")


CHECK_RELOAD = "gives the same logits after a reload"


def test_a_method_that_loses_its_head_fails() -> None:
    class Headless(Scaling):
        """Saves the adapter alone."""

        def save(self, model: ClinicalModel, folder: Path) -> None:
            super().save(model, folder)
            fresh = Scaling().apply(*_fresh())
            save_head(fresh, folder)

    def _fresh() -> Any:
        from clinpeft.testing.tiny import tiny_model

        model = tiny_model("bert", "classification", 3, head_seed=9)
        return model, model.card, None

    assert "logits before and after differ by" in detail(Headless, CHECK_RELOAD)


def test_a_pickle_is_not_taken_for_weights() -> None:
    class Pickling(Scaling):
        """Saves a file that runs code when it is read."""

        def save(self, model: ClinicalModel, folder: Path) -> None:
            super().save(model, folder)
            torch.save({}, folder / "adapter.bin")

    assert detail(Pickling, CHECK_RELOAD) == (
        "classification: writes adapter.bin, which is neither safetensors nor JSON"
    )


def test_a_merge_that_changes_the_logits_or_leaves_a_wrapper_fails() -> None:
    class Forgetful(Lora):
        """Drops the adapter instead of merging it."""

        learning_rate: ClassVar[float] = 1e-2

        def merge(self, model: ClinicalModel) -> ClinicalModel | None:
            wrapped: Any = model.backbone
            model.backbone = wrapped.unload()
            return model

    class Wrapping(Scaling):
        """Calls its own wrapper plain."""

        def merge(self, model: ClinicalModel) -> ClinicalModel | None:
            return model

    check = "gives the same logits when merged"
    assert "logits merged and unmerged differ by" in detail(Forgetful, check)
    assert detail(Wrapping, check) == "classification: what is left is not a plain backbone"


def test_a_method_that_warns_fails() -> None:
    class Noisy(HeadOnly):
        """Warns when it is applied."""

        def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
            import warnings

            warnings.warn("about to change", FutureWarning, stacklevel=1)
            return super().apply(model, card, context)

    assert detail(Noisy, CHECK_RELOAD) == "FutureWarning: about to change"
