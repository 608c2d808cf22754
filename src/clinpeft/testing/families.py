"""What every family promises, on a tiny network with random weights."""

from __future__ import annotations

from typing import Any

from clinpeft.models.families.base import FAMILIES, Family
from clinpeft.testing._rules import CheckResult, results
from clinpeft.testing.tiny import tiny_batch, tiny_model, tiny_texts

NUM_POSITIONS = 32
"""Length of the position table of a check."""
TOLERANCE = 1e-5
"""Largest difference of logits in float32."""
PROBE = "clinpeft_probe"
"""An attention that only counts how often it is asked."""


def check_family(name: str) -> list[CheckResult]:
    """The promises of the family `name`, on a tiny model with random weights. Raises UnknownName."""
    FAMILIES.get(name)
    return results(name, FAMILY_RULES)


def missing_modules(family: Family, backbone: Any) -> str | None:
    """Names that no module ends in, or, of what methods adapt, no linear map; they must be in every layer."""
    modules = {f".{path}": module for path, module in backbone.named_modules()}
    once = [family.layers, family.embeddings]
    if family.pooler and getattr(backbone, "pooler", None) is not None:
        once.append(family.pooler)
    missing = [name for name in once if not any(path.endswith(f".{name}") for path in modules)]
    layers = next((module for path, module in modules.items() if path.endswith(f".{family.layers}")), ())
    for name in dict.fromkeys([*family.linear_maps(), *family.ia3_feed_forward]):
        if not all(any(_is_linear(name, *item) for item in layer.named_modules()) for layer in layers):
            missing.append(name)
    return f"no module is named {', '.join(missing)}" if missing else None


def _is_linear(name: str, path: str, module: Any) -> bool:
    return f".{path}".endswith(f".{name}") and hasattr(module, "in_features")


def _names_modules_that_exist(name: str) -> str | None:
    model = tiny_model(name, "classification", 2)
    return missing_modules(model.card.architecture(), model.backbone)


def _names_every_normalisation_and_nothing_else(name: str) -> str | None:
    """What a layer does without, as ModernBERT's first, has a name and no parameters there."""
    backbone, suffixes = tiny_model(name, "classification", 2).backbone, FAMILIES.get(name).norms
    for path, module in backbone.named_modules():
        is_named = f".{path}".endswith(tuple(f".{suffix}" for suffix in suffixes))
        if is_named and not _is_norm(path, module):
            return f"{path}: is no normalisation"
        if not is_named and _is_norm(path, module) and list(module.parameters()):
            return f"{path}: is not named"
    return None


def _has_biases_if_it_says_so(name: str) -> str | None:
    found = [
        path for path, _ in tiny_model(name, "classification", 2).backbone.named_parameters() if path.endswith("bias")
    ]
    return None if bool(found) == FAMILIES.get(name).has_biases else f"has {len(found)} biases"


def _is_norm(path: str, module: Any) -> bool:
    last = path.rpartition(".")[2].lower()
    return "Norm" in type(module).__name__ or last.endswith(("norm", "ln"))


def _finds_its_sizes_in_the_configuration(name: str) -> str | None:
    import torch

    model = tiny_model(name, "classification", 2)
    with torch.inference_mode():
        output = model.backbone(input_ids=torch.full((1, 6), 7), output_hidden_states=True)
    backbone: Any = model.backbone
    width = backbone.get_input_embeddings().embedding_dim
    found = (output.last_hidden_state.shape[-1], width, len(output.hidden_states) - 1)
    told = (model.card.hidden_size, model.card.embedding_size, model.card.num_layers)
    return None if found == told else f"hidden size, embedding size, layers: {told}, and the model has {found}"


def _reads_as_many_positions_as_it_says(name: str) -> str | None:
    import torch

    family = FAMILIES.get(name)
    model = tiny_model(name, "classification", 2, **{family.num_positions: NUM_POSITIONS})
    length = model.card.max_positions
    with torch.inference_mode():
        model.backbone(input_ids=torch.full((1, length), 7))
        try:
            model.backbone(input_ids=torch.full((1, length + 1), 7))
        except (IndexError, RuntimeError):
            return None if family.has_absolute_positions else f"takes no more than {length} word pieces"
    return (
        f"takes more than {length} word pieces of {NUM_POSITIONS} positions" if family.has_absolute_positions else None
    )


def _tells_two_texts_apart_if_it_says_so(name: str) -> str | None:
    import torch

    if not FAMILIES.get(name).has_token_types:
        return None
    backbone, ids = tiny_model(name, "pairs", 2).backbone.eval(), torch.full((1, 6), 7)
    with torch.inference_mode():
        one, two = (backbone(input_ids=ids, token_type_ids=types).last_hidden_state for types in (ids * 0, ids // 7))
    return "token types change nothing" if torch.equal(one, two) else None


def _sees_what_comes_after_if_it_says_so(name: str) -> str | None:
    import torch

    backbone, ids = tiny_model(name, "entities", 2).backbone.eval(), torch.arange(5, 9).unsqueeze(0)
    with torch.inference_mode():
        one, two = (backbone(input_ids=pieces).last_hidden_state[0, 0] for pieces in (ids, ids.where(ids < 8, 3)))
    sees = not torch.allclose(one, two, atol=1e-6)
    return (
        None if sees == FAMILIES.get(name).is_bidirectional else f"the first piece {'sees' * sees or 'misses'} the last"
    )


def _gives_the_same_logits_whatever_the_padding(name: str) -> str | None:
    import torch

    from clinpeft.data.batch import collate

    for kind in ("classification", "entities", "relations"):
        model, texts = tiny_model(name, kind, 3).eval(), tiny_texts(kind)
        with torch.inference_mode():
            together = model(tiny_batch(kind))
            alone = [model(collate([text], [0], 0))[0] for text in texts]
        for own, other, text in zip(together, alone, texts, strict=True):
            own, other = (each[: len(text.input_ids)] if kind == "entities" else each for each in (own, other))
            if (difference := float((own - other).abs().max())) > TOLERANCE:
                return f"{kind}: logits alone and in a batch differ by {difference:.2g}"
    return None


def _attends_as_transformers_own_attention_does(name: str) -> str | None:
    """Through the windows, too, that some families attend in: they are shorter than these texts."""
    import torch

    model, batch = tiny_model(name, "entities", 3).eval(), tiny_batch("entities")
    backbone: Any = model.backbone
    with torch.inference_mode():
        ours = model(batch)
        backbone.set_attn_implementation("eager")
        theirs = model(batch)
    is_word = batch.attention_mask.bool()
    difference = float((ours - theirs)[is_word].abs().max())
    return None if difference < TOLERANCE else f"logits with {model.attention} and eager differ by {difference:.2g}"


def _calls_the_attention_interface_if_it_says_so(name: str) -> str | None:
    import torch
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    if not FAMILIES.get(name).calls_attention_interface:
        return None
    model, asked = tiny_model(name, "classification", 2), []

    def record(module: Any, query: Any, key: Any, value: Any, mask: Any, **options: Any) -> tuple[Any, None]:
        asked.append(module)
        rows, _, length, _ = query.shape
        return query.new_zeros(rows, length, query.shape[1], value.shape[-1]), None

    AttentionInterface.register(PROBE, record)
    AttentionMaskInterface.register(PROBE, eager_mask)
    backbone: Any = model.backbone
    backbone.set_attn_implementation(PROBE)
    with torch.inference_mode():
        model(tiny_batch("classification"))
    calls = model.card.num_layers
    return None if len(asked) == calls else f"asked for attention {len(asked)} times in {calls} layers"


def _draws_nothing_at_random(name: str) -> str | None:
    """Dropout of the backbone is off, whatever its configuration calls it."""
    import torch

    model = tiny_model(name, "entities", 3)
    left = [path for path, module in model.backbone.named_modules() if getattr(module, "p", 0)]
    batch = tiny_batch("entities")
    model.train().head.eval()
    with torch.inference_mode():
        one, two = model(batch), model(batch)
    return None if torch.equal(one, two) and not left else f"dropout: {', '.join(left) or 'in its attention'}"


FAMILY_RULES = (
    _names_modules_that_exist,
    _names_every_normalisation_and_nothing_else,
    _has_biases_if_it_says_so,
    _finds_its_sizes_in_the_configuration,
    _reads_as_many_positions_as_it_says,
    _tells_two_texts_apart_if_it_says_so,
    _sees_what_comes_after_if_it_says_so,
    _gives_the_same_logits_whatever_the_padding,
    _attends_as_transformers_own_attention_does,
    _calls_the_attention_interface_if_it_says_so,
    _draws_nothing_at_random,
)
