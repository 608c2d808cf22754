"""The counts of Taylor et al. 2024 (arXiv 2402.10597), by their rules, with today's transformers and peft.

A transformers model for sequence classification is wrapped by peft on the meta device. Their "PEFT parameters" are all
that train but the module called exactly `classifier` or `score`: DistilBERT's `pre_classifier` counts as adapter, as
peft trains whatever ends in "classifier", and RoBERTa's whole head as head. Their total is the model's without adapter.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from clinpeft.errors import BadInput
from clinpeft.params.count import Counts

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard

HEADS = ("classifier", "score")
METHODS = ("full", "head-only", "ia3", "lora", "p-tuning", "prefix-tuning", "prompt-tuning")
DEFAULTS: dict[str, dict[str, str]] = {
    "lora": {"r": "8", "targets": ""},
    "ia3": {"targets": ""},
    "prefix-tuning": {"num_virtual_tokens": ""},
    "prompt-tuning": {"num_virtual_tokens": "10"},
    "p-tuning": {"num_virtual_tokens": "10", "hidden_size": "128"},
}
"""Options that change a count; empty where the model's name decides. `targets=default` are peft's, as in their first
script."""


def count_as_published(model: str, method: str, options: Mapping[str, str], num_labels: int = 2) -> Counts:
    """The study's counts of a row of the catalogue (or a folder) with one of its methods.

    Raises BadInput for a method that it did not have, and where neither its rules nor peft name a model's targets.
    """
    import torch

    from clinpeft.models.configuration import named
    from clinpeft.params.macs import leave_out_attention, macs

    if method not in METHODS:
        raise BadInput(f"method '{method}'", "is none of the 2024 study's", f"its methods are {', '.join(METHODS)}")
    card, config = named(model)
    chosen = _options(method, options)
    config.num_labels = num_labels
    with torch.device("meta"):
        network = _classifier(config, card)
        total = sum(parameter.numel() for parameter in network.parameters())
        if method != "full":
            network = _adapted(network, card, method, chosen)
        adapter, head = _trained(network)
        taken = None
        if method == "full":
            leave_out_attention(network)
            pieces = torch.ones(1, 8, dtype=torch.int64)
            taken = macs(lambda: network(input_ids=pieces, attention_mask=pieces))
    return Counts(adapter, head, adapter + head, total, taken)


def _options(method: str, given: Mapping[str, str]) -> dict[str, str]:
    known = DEFAULTS.get(method, {})
    if strange := sorted(set(given) - set(known)):
        known_names = ", ".join(known) or "none"
        raise BadInput(f"--set {strange[0]}", f"is no option of the study's {method}", f"it has {known_names}")
    for name, value in given.items():
        if name != "targets" and not (value.isdecimal() and int(value) > 0):
            raise BadInput(f"--set {name}", "is no whole number above 0")
    return {**known, **given}


def _classifier(config: Any, card: ModelCard) -> Any:
    from transformers import AutoModelForSequenceClassification

    if card.architecture().has_global_attention:
        raise BadInput(f"model '{card.name}'", "cannot be counted as the study did, whose models all attend everywhere")
    try:
        return AutoModelForSequenceClassification.from_config(config)
    except ValueError:
        raise BadInput(f"model '{card.name}'", "has no model for sequence classification in transformers") from None


def _adapted(network: Any, card: ModelCard, method: str, options: dict[str, str]) -> Any:
    import peft

    if method == "head-only":
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(name.partition(".")[0] in HEADS)
        return network
    make = {
        "lora": _lora,
        "ia3": _ia3,
        "prefix-tuning": _prefix_tuning,
        "prompt-tuning": _prompt_tuning,
        "p-tuning": _p_tuning,
    }[method]
    with warnings.catch_warnings():
        # peft 0.21 asks every model for a property that transformers 5.23 has renamed.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        return peft.get_peft_model(network, make(card, options))


def _name(card: ModelCard) -> str:
    """Their rules look for words in the path of a model."""
    return (card.hub or card.name).lower()


def _lora(card: ModelCard, options: dict[str, str]) -> Any:
    from peft import LoraConfig
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as USUAL

    targets = None
    if not options["targets"]:
        if "mobile" in _name(card) or "tiny" in _name(card):
            targets = ["query", "key", "value"]
        elif "distilbert" in _name(card):
            targets = ["q_lin", "k_lin", "v_lin"]
    targets = targets or _targets(card, options["targets"], USUAL)
    return LoraConfig(task_type="SEQ_CLS", r=int(options["r"]), lora_alpha=8, bias="none", target_modules=targets)


def _ia3(card: ModelCard, options: dict[str, str]) -> Any:
    from peft import IA3Config
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING as USUAL_FEED_FORWARD
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING as USUAL

    if "distilbert" in _name(card) and not options["targets"]:
        targets, feed_forward = ["k_lin", "v_lin", "lin1", "lin2"], ["lin1", "lin2"]
    elif "mobile" in _name(card) and not options["targets"]:
        targets, feed_forward = ["key", "value", "output.dense"], ["output.dense"]
    else:
        targets = _targets(card, options["targets"], USUAL)
        feed_forward = [name for name in USUAL_FEED_FORWARD.get(_model_type(card), []) if name in targets]
    return IA3Config(task_type="SEQ_CLS", target_modules=targets, feedforward_modules=feed_forward)


def _prefix_tuning(card: ModelCard, options: dict[str, str]) -> Any:
    from peft import PrefixTuningConfig

    usual = "20" if "distilbert" in _name(card) else "10"
    return PrefixTuningConfig(
        task_type="SEQ_CLS",
        num_virtual_tokens=int(options["num_virtual_tokens"] or usual),
        token_dim=card.hidden_size,
        num_layers=card.num_layers,
        num_attention_heads=card.num_heads,
    )


def _prompt_tuning(card: ModelCard, options: dict[str, str]) -> Any:
    from peft import PromptTuningConfig

    return PromptTuningConfig(**_virtual(card, options, 128 if "mobile" in _name(card) else card.hidden_size))


def _p_tuning(card: ModelCard, options: dict[str, str]) -> Any:
    from peft import PromptEncoderConfig

    return PromptEncoderConfig(
        **_virtual(card, options, card.hidden_size), encoder_hidden_size=int(options["hidden_size"])
    )


def _virtual(card: ModelCard, options: dict[str, str], width: int) -> dict[str, Any]:
    return {
        "task_type": "SEQ_CLS",
        "num_virtual_tokens": int(options["num_virtual_tokens"]),
        "token_dim": width,
        "num_layers": card.num_layers,
        "num_attention_heads": card.num_heads,
    }


def _targets(card: ModelCard, wanted: str, usual: Mapping[str, list[str]]) -> list[str]:
    if wanted and wanted != "default":
        return wanted.split(",")
    if _model_type(card) not in usual:
        raise BadInput(
            f"model '{card.name}'",
            f"peft has no default targets for family '{card.family}', and the study no rule",
            "name them with --set targets=NAME,NAME",
        )
    return usual[_model_type(card)]


def _model_type(card: ModelCard) -> str:
    return card.architecture().model_type or card.family


def _trained(network: Any) -> tuple[int, int]:
    """What trains outside the head and in it."""
    adapter = head = 0
    for name, parameter in network.named_parameters():
        if parameter.requires_grad and any(part in HEADS for part in name.split(".")):
            head += parameter.numel()
        elif parameter.requires_grad:
            adapter += parameter.numel()
    return adapter, head
