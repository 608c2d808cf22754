"""A method that breaks a promise fails the check that names it."""

from __future__ import annotations

import copy
import time
from pathlib import Path
from typing import Any, ClassVar, get_args

import pytest
import torch
from torch import nn

from clinpeft.methods.base import Context, Method, freeze, save_head
from clinpeft.methods.head_only import HeadOnly
from clinpeft.methods.lora import Lora
from clinpeft.methods.prompt_tuning import PromptTuning
from clinpeft.models.catalogue import ModelCard
from clinpeft.models.families.base import FAMILIES
from clinpeft.models.load import ClinicalModel
from clinpeft.spec import Kind
from clinpeft.testing.cells import MAIN_KINDS, all_cells
from clinpeft.testing.methods import check_method

BERT = ("bert", "classification")


def detail(entry: type[Method], check: str, cell: tuple[str, Kind] = BERT) -> str:
    """What one check says of a method on one family and kind of task; empty when it passes."""
    (found,) = [result for result in check_method(entry, [cell]) if result.name == check]
    return found.detail


class Scale(nn.Module):
    """A backbone whose states are scaled by a vector that trains."""

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base, self.scale = base, nn.Parameter(torch.ones(32))

    def forward(self, **inputs: torch.Tensor) -> Any:
        output = self.base(**inputs)
        output.last_hidden_state = output.last_hidden_state * self.scale
        # The pooler's is of the states before.
        output.pooler_output = None
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


CHECKS = {
    "says what it is",
    "is made without options",
    "documents every option",
    "tunes at most two of its options",
    "is trained or refused in one line",
    "trains the whole head its adapter and nothing else",
    "lowers the loss at its own learning rate",
    "changes in training what it trains and nothing else",
    "gives the same logits whatever the padding",
    "reads texts of the full length",
    "trains the same from the same seed",
    "gives the same logits after a reload",
    "trains in float32 whatever the format of the backbone",
    "gives the same gradients when activations are computed again",
    "gives the same logits when merged",
}


def test_a_sound_method_passes_every_check() -> None:
    found = check_method(Scaling, [cell for cell in all_cells() if cell[0] == "bert"])

    assert {result.name for result in found} == CHECKS
    assert [result for result in found if not result.passed] == []


def test_every_family_is_tried_with_three_kinds_of_task_and_bert_with_all() -> None:
    cells = all_cells()

    assert {kind for family, kind in cells if family == "bert"} == set(get_args(Kind))
    assert all((family, kind) in cells for family in FAMILIES.names() for kind in MAIN_KINDS)
    assert len(cells) == 3 * len(FAMILIES.names()) + 2


def test_a_check_names_the_cells_in_which_it_fails() -> None:
    class Slow(Scaling):
        """Hardly moves."""

        learning_rate: ClassVar[float] = 1e-9

    found = {
        result.name: result.detail for result in check_method(Slow, [("bert", "pairs"), ("distilbert", "entities")])
    }
    told = found["lowers the loss at its own learning rate"].split("; ")

    assert [each.split(":")[0] for each in told] == ["bert, pairs", "distilbert, entities"]


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

    check, cell = "is trained or refused in one line", ("distilbert", "entities")
    assert detail(BertOnly, check, cell).startswith("distilbert, entities: AttributeError")
    assert detail(Refusing, check, cell) == ""


@pytest.mark.parametrize("reason", ["", "two\nlines"])
def test_a_reason_that_is_no_line_fails(reason: str) -> None:
    class Mumbling(Scaling):
        """Refuses, and does not say why."""

        def refuses(self, card: ModelCard, kind: Kind) -> str | None:
            return reason

    assert detail(Mumbling, "is trained or refused in one line").endswith("its reason must be one line")


def test_virtual_tokens_that_take_no_room_are_found_out() -> None:
    class Roomless(PromptTuning):
        """Forgets that its tokens have positions."""

        def extra_positions(self) -> int:
            return 0

    assert "Error" in detail(Roomless, "reads texts of the full length")


CHECK_GRADIENTS = "trains the whole head its adapter and nothing else"


def test_a_method_that_freezes_part_of_the_head_fails() -> None:
    class HalfHead(Scaling):
        """Trains the head's matrix without its bias."""

        def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
            model = super().apply(model, card, context)
            model.head.out.bias.requires_grad_(False)
            return model

    assert detail(HalfHead, CHECK_GRADIENTS) == "bert, classification: no gradient on head.out.bias"


def test_an_adapter_that_nothing_reads_fails() -> None:
    class Idle(Scaling):
        """Adds a parameter to no effect."""

        def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
            model = super().apply(model, card, context)
            model.backbone.idle = nn.Parameter(torch.ones(2))
            return model

    assert detail(Idle, CHECK_GRADIENTS) == "bert, classification: no gradient on backbone.idle"


def test_a_method_that_adapts_nothing_of_another_family_fails() -> None:
    class Particular(Scaling):
        """Knows BERT only, and says nothing of it."""

        def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
            if card.family == "bert":
                return super().apply(model, card, context)
            freeze(model)
            return model

    cell: tuple[str, Kind] = ("distilbert", "classification")
    assert detail(Particular, CHECK_GRADIENTS, cell) == "distilbert, classification: only the head trains"
    assert detail(HeadOnly, CHECK_GRADIENTS, cell) == ""


def test_a_method_that_writes_to_the_frozen_base_fails() -> None:
    class Drifting(Scaling):
        """Moves the word embeddings behind the optimiser's back."""

        def after_step(self, model: ClinicalModel, step: int) -> None:
            with torch.no_grad():
                model.backbone.get_parameter("base.embeddings.word_embeddings.weight").mul_(1.01)

    problem = "bert, classification: training changes backbone.base.embeddings.word_embeddings.weight"
    assert detail(Drifting, "changes in training what it trains and nothing else") == problem


def test_a_learning_rate_at_which_nothing_is_learned_fails() -> None:
    class Slow(Scaling):
        """Hardly moves."""

        learning_rate: ClassVar[float] = 1e-9

    assert detail(Slow, "lowers the loss at its own learning rate").startswith("bert, classification: from ")


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


def test_a_method_that_loses_its_head_s_bias_fails() -> None:
    class Biasless(Scaling):
        """Saves a head without a bias."""

        def save(self, model: ClinicalModel, folder: Path) -> None:
            super().save(model, folder)
            head = copy.deepcopy(model)
            torch.nn.init.zeros_(head.head.out.bias)
            save_head(head, folder)

    assert "logits before and after differ by" in detail(Biasless, CHECK_RELOAD)


def test_a_pickle_is_not_taken_for_weights() -> None:
    class Pickling(Scaling):
        """Saves a file that runs code when it is read."""

        def save(self, model: ClinicalModel, folder: Path) -> None:
            super().save(model, folder)
            torch.save({}, folder / "adapter.bin")

    assert detail(Pickling, CHECK_RELOAD) == (
        "bert, classification: writes adapter.bin, which is neither safetensors nor JSON"
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
    assert detail(Wrapping, check) == "bert, classification: what is left is not a plain backbone"


def test_a_method_that_warns_fails() -> None:
    class Noisy(HeadOnly):
        """Warns when it is applied."""

        def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
            import warnings

            warnings.warn("about to change", FutureWarning, stacklevel=1)
            return super().apply(model, card, context)

    problem = "bert, classification: FutureWarning: about to change"
    assert detail(Noisy, "is trained or refused in one line") == problem


def test_an_adapter_in_the_backbone_s_short_numbers_fails() -> None:
    class Narrow(Scaling):
        """Makes its vector in the format of the backbone."""

        def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
            dtype = next(model.backbone.parameters()).dtype
            model = super().apply(model, card, context)
            model.backbone.to(dtype)
            return model

    check = "trains in float32 whatever the format of the backbone"
    assert detail(Narrow, check) == "bert, classification: backbone.scale is not in float32"


def test_gradients_that_change_when_activations_are_computed_again_fail() -> None:
    class Drawing(nn.Module):
        """A map whose result changes with every pass."""

        def __init__(self, base: nn.Module) -> None:
            super().__init__()
            self.base, self.scale, self.passes = base, nn.Parameter(torch.ones(32)), 0

        def forward(self, states: torch.Tensor) -> torch.Tensor:
            self.passes += self.training
            result: torch.Tensor = self.base(states) * (1 + (self.scale - 1) * (self.passes % 2))
            return result

    class Unsteady(Scaling):
        """Scales in every other pass."""

        def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
            freeze(model)
            layer: Any = model.backbone.get_submodule("encoder.layer.0.output")
            layer.dense = Drawing(layer.dense)
            return model

    assert "the gradient on" in detail(Unsteady, "gives the same gradients when activations are computed again")
