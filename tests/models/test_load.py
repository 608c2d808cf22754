"""From files to a network: nothing of the checkpoint is lost in silence, and the seed fixes what is new."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from clinpeft.data.batch import Batch
from clinpeft.errors import BadInput
from clinpeft.models.attention import NAME
from clinpeft.models.catalogue import ResolvedModel, resolve
from clinpeft.models.families.base import FAMILIES
from clinpeft.models.load import ClinicalModel, Head, count_parameters, load, pooling_of
from clinpeft.spec import Kind, ModelChoice
from clinpeft.testing.tiny import tiny_batch
from clinpeft.testing.tiny import tiny_model as random_network

LAYER = "encoder.layer.1.output.dense.weight"


def resolved(folder: Path, **changes: object) -> ResolvedModel:
    found = resolve(ModelChoice(name="own", path=str(folder)), Path())
    return replace(found, card=found.card.model_copy(update=changes))


def logits(model: ClinicalModel, kind: Kind = "classification") -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model.eval()(tiny_batch(kind))
    return found


def test_the_seed_fixes_the_head_and_never_the_backbone(tiny_model: Path) -> None:
    first, again, other = (load(resolved(tiny_model), "classification", 3, seed) for seed in (1, 1, 2))

    assert torch.equal(logits(first), logits(again))
    assert not torch.equal(logits(first), logits(other))
    assert torch.equal(first.backbone.state_dict()[LAYER], other.backbone.state_dict()[LAYER])


def test_every_tensor_of_the_backbone_is_the_checkpoints(tiny_model: Path) -> None:
    state, saved = (
        load(resolved(tiny_model), "classification", 3, 1).backbone.state_dict(),
        load_file(tiny_model / "model.safetensors"),
    )

    assert saved.keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in saved.items())


def test_only_the_first_layers_are_kept_when_the_card_says_so(tiny_model: Path) -> None:
    whole, cut = (load(resolved(tiny_model, num_layers=num), "classification", 3, 1) for num in (2, 1))

    assert LAYER in whole.backbone.state_dict()
    assert {name for name in whole.backbone.state_dict() if ".layer.1." not in name} == set(cut.backbone.state_dict())


def test_a_checkpoint_without_some_of_its_tensors_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "own"))
    state = load_file(folder / "model.safetensors")
    del state[LAYER], state["embeddings.LayerNorm.bias"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(BadInput, match=r"its model\.safetensors lacks 2 of the tensors its config\.json names"):
        load(resolved(folder), "classification", 3, 1)


def test_a_checkpoint_of_other_sizes_is_refused_in_one_line(tiny_model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "own"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 7}))

    with pytest.raises(BadInput, match=r"^model 'own': its files cannot be loaded \(\w+\)$"):
        load(resolved(folder), "classification", 3, 1)


@pytest.mark.parametrize(
    ("kind", "pooling", "reads"),
    [
        ("classification", "first", "first"),
        ("multilabel", "mean", "mean"),
        ("pairs", "first", "first"),
        ("entities", "first", "words"),
        ("relations", "mean", "markers"),
    ],
)
def test_the_kind_and_the_card_say_what_the_head_reads(tiny_model: Path, kind: Kind, pooling: str, reads: str) -> None:
    assert pooling_of(kind, resolved(tiny_model, pooling=pooling).card) == reads


def test_the_pooler_of_the_checkpoint_is_used_when_the_first_piece_is_read(tiny_model: Path) -> None:
    model = load(resolved(tiny_model), "classification", 3, 1)
    before = logits(model)
    with torch.no_grad():
        model.backbone.get_parameter("pooler.dense.weight").neg_()

    assert model.head.pooler is None
    assert not torch.equal(before, logits(model))


@pytest.mark.parametrize("kind", ["entities", "relations"])
def test_no_pooler_is_loaded_that_nothing_reads(tiny_model: Path, kind: Kind) -> None:
    model = load(resolved(tiny_model), kind, 3, 1)

    assert not [name for name, _ in model.named_parameters() if "pooler" in name]


def test_a_pooler_that_the_checkpoint_lacks_is_part_of_the_head(
    tiny_model_without_pooler: Path, tiny_electra: Path, tiny_distilbert: Path
) -> None:
    for folder in (tiny_model_without_pooler, tiny_electra, tiny_distilbert):
        model = load(resolved(folder), "classification", 3, 1)

        assert [name for name, _ in model.named_parameters() if "pooler" in name] == [
            "head.pooler.weight",
            "head.pooler.bias",
        ]


@pytest.mark.parametrize("fixture", ["tiny_model", "tiny_roberta", "tiny_electra", "tiny_distilbert"])
def test_nothing_of_the_backbone_is_dropped_at_random(fixture: str, request: pytest.FixtureRequest) -> None:
    model = load(resolved(request.getfixturevalue(fixture)), "classification", 3, 1)
    dropouts = [module.p for module in model.backbone.modules() if isinstance(module, torch.nn.Dropout)]

    assert dropouts
    assert not any(dropouts)


def test_a_model_that_reads_neighbours_does_not_read_the_padding(tiny_mobilebert: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_mobilebert, tmp_path / "mobilebert")
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][0] = 3.0
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    backbone = load(resolved(folder), "entities", 3, 1).backbone.eval()
    ids = torch.tensor([[7, 8, 9, 0, 0]])
    with torch.inference_mode():
        padded = backbone(input_ids=ids, attention_mask=(ids > 0).long()).last_hidden_state[:, :3]
        alone = backbone(input_ids=ids[:, :3], attention_mask=torch.ones(1, 3)).last_hidden_state

    torch.testing.assert_close(padded, alone)


def batch_of(mask: list[list[int]], markers: list[list[int]] | None = None) -> Batch:
    ids = torch.tensor(mask)
    places = None if markers is None else torch.tensor(markers)
    return Batch(ids, ids, None, torch.zeros(len(mask)), places, tuple(range(len(mask))))


def test_the_mean_is_over_the_word_pieces_and_not_the_padding() -> None:
    head = Head("mean", 2, 2, has_pooler=False)
    hidden = torch.tensor([[[1.0, 0.0], [3.0, 2.0], [50.0, -50.0]]])

    assert head.pool(hidden, batch_of([[1, 1, 0]])).tolist() == [[2.0, 1.0]]


def test_a_relation_is_read_at_its_two_start_markers() -> None:
    head = Head("markers", 2, 2, has_pooler=False)
    hidden = torch.arange(12.0).reshape(2, 3, 2)

    assert head.pool(hidden, batch_of([[1, 1, 1]] * 2, [[0, 2], [1, 0]])).tolist() == [[0, 1, 4, 5], [8, 9, 6, 7]]


def test_sizes_count_adapter_head_and_all(tiny_model: Path) -> None:
    model = load(resolved(tiny_model), "classification", 3, 1)
    for parameter in model.backbone.parameters():
        parameter.requires_grad_(False)
    model.backbone.get_parameter(LAYER).requires_grad_(True)
    sizes = count_parameters(model)

    # A matrix of 64 to 32, and a head of 32 to 3 with biases.
    assert (sizes.adapter, sizes.head, sizes.trainable) == (2048, 99, 2147)
    assert sizes.total == sum(value.numel() for value in load_file(tiny_model / "model.safetensors").values()) + 99


@pytest.mark.parametrize("family", FAMILIES.names())
def test_every_family_comes_whole_from_its_folder_in_float32(family: str, tmp_path: Path) -> None:
    """Checkpoints of decoders are stored in bfloat16."""
    stored = random_network(family, "classification", 3)
    stored.backbone.bfloat16().save_pretrained(tmp_path / family)  # type: ignore[operator]
    loaded = load(resolved(tmp_path / family), "classification", 3, 1)

    wanted, found = stored.backbone.state_dict(), loaded.backbone.state_dict()
    assert wanted.keys() == found.keys()
    assert all(torch.equal(value.float(), found[name]) for name, value in wanted.items())
    assert {value.dtype for value in loaded.parameters()} == {torch.float32}
    assert loaded.card.family == family
    assert loaded.head.pooling == stored.head.pooling


def test_only_what_runs_on_a_processor_gets_the_processors_attention(tiny_model: Path) -> None:
    on_gpu = load(resolved(tiny_model), "classification", 3, 1, torch.device("cuda"))

    assert load(resolved(tiny_model), "classification", 3, 1).attention == NAME
    assert (on_gpu.attention, {value.device.type for value in on_gpu.parameters()}) == ("sdpa", {"cpu"})


def test_a_decoder_is_read_at_its_last_word_piece_also_for_relations() -> None:
    card = random_network("llama", "classification", 3).card
    hidden = torch.tensor([[[1.0, 0.0], [3.0, 2.0], [50.0, -50.0]], [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]])
    head = Head("last", 2, 2, has_pooler=False)

    assert [pooling_of(kind, card) for kind in ("pairs", "relations", "entities")] == ["last", "last", "words"]
    assert head.pool(hidden, batch_of([[1, 1, 0], [1, 1, 1]])).tolist() == [[3.0, 2.0], [3.0, 3.0]]


def test_longformer_attends_from_everywhere_to_the_first_piece_and_the_markers(monkeypatch: pytest.MonkeyPatch) -> None:
    model, asked = random_network("longformer", "relations", 3).eval(), []
    real = model.backbone.forward
    monkeypatch.setattr(model.backbone, "forward", lambda **inputs: (asked.append(inputs), real(**inputs))[1])
    batch = tiny_batch("relations")
    with torch.inference_mode():
        model(batch)

    assert batch.markers is not None
    (mask,) = (inputs["global_attention_mask"] for inputs in asked)
    assert [row.nonzero().flatten().tolist() for row in mask] == [
        sorted({0, *places}) for places in batch.markers.tolist()
    ]
