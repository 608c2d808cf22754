"""Virtual tokens leave the text alone: its positions, its token types, its padding and what the head reads of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from clinpeft.data.batch import Batch, collate
from clinpeft.methods.base import Context, Method
from clinpeft.methods.head_only import HeadOnly
from clinpeft.methods.p_tuning import PTuning
from clinpeft.methods.prefix_tuning import PrefixTuning
from clinpeft.methods.prompt_tuning import PromptTuning
from clinpeft.models.families.base import FAMILIES
from clinpeft.models.load import ClinicalModel
from clinpeft.spec import Kind
from clinpeft.testing.tiny import tiny_batch, tiny_texts
from clinpeft.testing.tiny import tiny_model as tiny_of

EMBEDDED = (PromptTuning(num_virtual_tokens=3), PTuning(num_virtual_tokens=3))
DECODERS = [name for name in FAMILIES.names() if FAMILIES.get(name).reads_last]


def prompted(method: Method, family: str, kind: Kind = "classification") -> ClinicalModel:
    model = tiny_of(family, kind, 3)
    torch.manual_seed(0)
    return method.apply(model, model.card, Context(0, kind, 10, lambda: iter(()))).eval()


def rows_read(model: ClinicalModel, table: str, batch: Batch) -> torch.Tensor:
    """Which rows of an embedding table a forward pass looks up for the first example."""
    seen: list[torch.Tensor] = []
    module = next(module for name, module in model.backbone.named_modules() if name.endswith(table))
    handle = module.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    with torch.inference_mode():
        model.eval()(batch)
    handle.remove()
    return seen[0][0]


@pytest.mark.parametrize(("fixture", "first"), [("tiny_model", 0), ("tiny_roberta", 2), ("tiny_electra", 0)])
def test_a_prefix_leaves_the_text_at_its_own_positions(
    fixture: str, first: int, request: pytest.FixtureRequest, applied: Any
) -> None:
    folder, batch = request.getfixturevalue(fixture), tiny_batch("classification")
    length = int(batch.attention_mask[0].sum())
    plain, prefixed = (
        rows_read(applied(method, folder), "position_embeddings", batch)[:length]
        for method in (HeadOnly(), PrefixTuning())
    )

    assert plain.tolist() == list(range(first, first + length))
    assert prefixed.tolist() == plain.tolist()


@pytest.mark.parametrize("method", EMBEDDED, ids=lambda method: type(method).__name__)
def test_embedded_tokens_stand_before_the_text_and_move_it_on(method: Method, tiny_model: Path, applied: Any) -> None:
    positions = rows_read(applied(method, tiny_model), "position_embeddings", tiny_batch("classification"))

    assert positions.tolist() == list(range(16 + 3))


@pytest.mark.parametrize("method", EMBEDDED, ids=lambda method: type(method).__name__)
def test_the_token_types_of_a_pair_reach_the_model_behind_the_virtual_tokens(
    method: Method, tiny_model: Path, applied: Any
) -> None:
    batch = tiny_batch("pairs")
    types = rows_read(applied(method, tiny_model, "pairs"), "token_type_embeddings", batch)

    assert batch.token_type_ids is not None
    assert types.tolist() == [0, 0, 0, *batch.token_type_ids[0].tolist()]


@pytest.mark.parametrize("method", [*EMBEDDED, PrefixTuning()], ids=lambda method: type(method).__name__)
def test_token_types_change_the_answer(method: Method, tiny_model: Path, applied: Any, logits: Any) -> None:
    batch = tiny_batch("pairs")
    assert batch.token_type_ids is not None
    model = applied(method, tiny_model, "pairs")
    swapped = replace(batch, token_type_ids=1 - batch.token_type_ids)

    assert not torch.allclose(logits(model, batch), logits(model, swapped), atol=1e-3)


@pytest.mark.parametrize("method", EMBEDDED, ids=lambda method: type(method).__name__)
def test_the_head_reads_the_texts_first_piece_and_not_the_first_virtual_token(
    method: Method, tiny_model: Path, applied: Any
) -> None:
    batch = tiny_batch("classification")
    model = applied(method, tiny_model).eval()
    with torch.inference_mode():
        states = model.backbone(batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
        inner = model.backbone.wrapped.get_base_model()
        whole: list[torch.Tensor] = []
        inner.encoder.register_forward_hook(lambda module, inputs, output: whole.append(output.last_hidden_state))
        model(batch)

    assert states.shape[1] == batch.input_ids.shape[1]
    assert torch.equal(states, whole[0][:, 3:])


def test_only_the_tokens_that_p_tuning_came_to_are_kept(
    tiny_model: Path, tmp_path: Path, applied: Any, logits: Any
) -> None:
    from safetensors.torch import load_file

    method, batch = PTuning(num_virtual_tokens=4), tiny_batch("classification")
    model, again = applied(method, tiny_model), applied(method, tiny_model, seed=2)
    method.save(model, tmp_path)
    method.load(again, tmp_path)

    assert {name: tuple(value.shape) for name, value in load_file(tmp_path / "adapter_model.safetensors").items()} == {
        "prompt_embeddings": (4, 32)
    }
    torch.testing.assert_close(logits(again, batch), logits(model, batch), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["classification", "entities"])
@pytest.mark.parametrize("method", EMBEDDED, ids=lambda method: type(method).__name__)
@pytest.mark.parametrize("family", DECODERS)
def test_a_decoder_answers_from_the_last_real_piece_behind_the_virtual_tokens(
    family: str, method: Method, kind: Kind
) -> None:
    # As computed by hand for each text alone, without any padding.
    model, texts = prompted(method, family, kind), tiny_texts(kind)
    base = model.backbone.wrapped.get_base_model()
    with torch.inference_mode():
        together = model(collate(texts, range(len(texts)), 0))
        for text, found in zip(texts, together, strict=True):
            embedded = base.get_input_embeddings()(torch.tensor([text.input_ids]))
            whole = base(inputs_embeds=torch.cat([model.backbone.wrapped.get_prompt(1), embedded], dim=1))
            states = whole.last_hidden_state[0]
            assert len(states) == 3 + len(text.input_ids)
            expected = model.head(states[3:] if kind == "entities" else states[-1])

            torch.testing.assert_close(found[: len(text.input_ids)] if kind == "entities" else found, expected)


@pytest.mark.parametrize("method", EMBEDDED, ids=lambda method: type(method).__name__)
@pytest.mark.parametrize("family", ["mobilebert", "albert", "electra"])
def test_virtual_tokens_are_as_wide_as_the_embeddings(family: str, method: Method, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    # Half as wide as the layers.
    method.save(prompted(method, family), tmp_path)

    stored = load_file(tmp_path / "adapter_model.safetensors")
    assert [tuple(value.shape) for value in stored.values()] == [(3, 16)]


@pytest.mark.parametrize("kind", ["classification", "relations"])
@pytest.mark.parametrize("method", EMBEDDED, ids=lambda method: type(method).__name__)
def test_of_a_longformer_every_piece_attends_to_the_virtual_tokens_and_to_what_it_did_before(
    method: Method, kind: Kind
) -> None:
    seen: list[torch.Tensor] = []
    model, batch = prompted(method, "longformer", kind), tiny_batch(kind)
    base = model.backbone.wrapped.get_base_model()
    base.register_forward_pre_hook(
        lambda module, inputs, named: seen.append(named["global_attention_mask"]), with_kwargs=True
    )
    with torch.inference_mode():
        model(batch)

    # Of the third text, whose relation is marked at 1 and 8; the first piece stands behind the three.
    places = [0, 1, 2, 3] + ([4, 11] if kind == "relations" else [])
    assert seen[0][2].nonzero().flatten().tolist() == places
    assert seen[0].shape[1] == 3 + batch.input_ids.shape[1]


@pytest.mark.parametrize("method", EMBEDDED, ids=lambda method: type(method).__name__)
@pytest.mark.parametrize("family", FAMILIES.names())
def test_a_text_of_the_length_that_is_left_fits_whatever_the_family(family: str, method: Method) -> None:
    entry = FAMILIES.get(family)
    model = tiny_of(family, "classification", 3, **{entry.num_positions: 64 + entry.reserved_positions})
    torch.manual_seed(0)
    model = method.apply(model, model.card, Context(0, "classification", 10, lambda: iter(()))).eval()
    length = method.text_length(64, model.card)
    text = replace(tiny_texts("classification")[0], input_ids=[7] * length)
    with torch.inference_mode():
        logits = model(collate([text], [0], 0))

    # 64 less three, in steps of eight.
    assert length == 56
    assert bool(logits.isfinite().all())
