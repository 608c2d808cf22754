"""The counts of Taylor et al. 2024, each as their repository states it (commit a610e27)."""

from __future__ import annotations

import pytest

from clinpeft.errors import BadInput
from clinpeft.params.published import count_as_published

# What trains outside the head, what trains in all, and all parameters of the plain model, for two classes: full
# fine-tuning, LoRA, IA3, prefix tuning.
BERT = {"lora": (294912, 296450), "ia3": (64512, 66050), "prefix-tuning": (184320, 185858)}
DISTILBERT = {"lora": (811776, 813314), "ia3": (622848, 624386), "prefix-tuning": (774912, 776450)}
MOBILEBERT = {"lora": (221184, 222210), "ia3": (58368, 59394), "prefix-tuning": (245760, 246786)}
TINYBERT = {"lora": (59904, 60530), "ia3": (8544, 9170), "prefix-tuning": (24960, 25586)}
DISTIL_BIOBERT = {"lora": (147456, 148994), "ia3": (32256, 33794), "prefix-tuning": (92160, 93698)}
BERT_TINY = {"lora": (12288, 12546), "ia3": (1792, 2050), "prefix-tuning": (5120, 5378)}
ROBERTA = {"lora": (294912, 887042), "ia3": (64512, 656642), "prefix-tuning": (184320, 776450)}
LLAMA = {"lora": (4194304, 4202496), "ia3": (614400, 622592), "prefix-tuning": (2621440, 2629632)}
MODELS = {
    "bert-base-uncased": (109483778, 109482240, BERT),
    "biobert-v1.1": (108311810, 108310272, BERT),
    "Bio_ClinicalBERT": (108311810, 108310272, BERT),
    "distilbert-base-uncased": (66955010, 66953472, DISTILBERT),
    "bio-distilbert-uncased": (66955010, 66953472, DISTILBERT),
    "clinical-distilbert": (65783042, 65781504, DISTILBERT),
    "mobilebert-uncased": (24582914, 24581888, MOBILEBERT),
    "bio-mobilebert": (24582914, 24581888, MOBILEBERT),
    "clinical-mobilebert": (24582914, 24581888, MOBILEBERT),
    "TinyBERT_General_4L_312D": (14350874, 14350248, TINYBERT),
    "tiny-biobert": (13874762, 13874136, TINYBERT),
    "tiny-clinicalbert": (13874762, 13874136, TINYBERT),
    "distil-biobert": (65784578, 65783040, DISTIL_BIOBERT),
    "bert-tiny": (4386178, 4385920, BERT_TINY),
    "roberta-base": (124647170, 124055040, ROBERTA),
    "Llama-2-7b-hf": (6607351808, 6607343616, LLAMA),
}
MACS = {
    "bert-base-uncased": 680683008,
    "distilbert-base-uncased": 340649472,
    "mobilebert-uncased": 162006016,
    "Llama-2-7b-hf": 51808108544,
    "distil-biobert": 340649472,
    "tiny-biobert": 36609456,
    "roberta-base": 680683008,
}
# An older script of theirs, with LoRA on queries and values for every model: what trains in all.
FIRST_SCRIPT = {
    "biobert-v1.1": {"lora": 296450, "prefix-tuning": 185858, "prompt-tuning": 9218, "p-tuning": 223234},
    "distil-biobert": {"lora": 148994, "prefix-tuning": 93698, "prompt-tuning": 9218, "p-tuning": 223234},
    "Llama-2-7b-hf": {"lora": 4202496, "prefix-tuning": 2629632, "prompt-tuning": 49152, "p-tuning": 1118464},
    "bio-mobilebert": {"lora": 222210, "prefix-tuning": 246786, "prompt-tuning": 2306, "p-tuning": 154370},
    "roberta-base": {"lora": 887042, "prefix-tuning": 776450, "prompt-tuning": 599810, "p-tuning": 813826},
    "tiny-biobert": {"lora": 40562, "prefix-tuning": 25586, "prompt-tuning": 3746, "p-tuning": 100570},
}


@pytest.mark.parametrize("model", MODELS)
def test_full_fine_tuning_trains_what_they_count(model: str) -> None:
    total, backbone, _ = MODELS[model]
    found = count_as_published(model, "full", {})

    assert (found.adapter, found.trainable, found.total) == (backbone, total, total)
    assert found.macs_8_tokens == MACS.get(model, found.macs_8_tokens)


@pytest.mark.parametrize(("model", "method"), [(model, method) for model in MODELS for method in BERT])
def test_a_method_trains_what_they_count(model: str, method: str) -> None:
    total, _, methods = MODELS[model]
    found = count_as_published(model, method, {})

    assert (found.adapter, found.trainable, found.total) == (*methods[method], total)
    assert found.head == found.trainable - found.adapter
    assert found.macs_8_tokens is None


@pytest.mark.parametrize(
    ("model", "method"), [(model, method) for model, methods in FIRST_SCRIPT.items() for method in methods]
)
def test_their_first_script_is_counted_too(model: str, method: str) -> None:
    # MobileBERT already had a rule of its own.
    options = {"targets": "default"} if method == "lora" and "mobile" not in model else {}

    found = count_as_published(model, method, options)

    assert (found.trainable, found.total) == (FIRST_SCRIPT[model][method], MODELS[model][0])


def test_a_frozen_model_trains_its_head() -> None:
    assert count_as_published("bert-tiny", "head-only", {}).trainable == 2 * 128 + 2


def test_the_rank_and_the_number_of_classes_count() -> None:
    # 2 layers, 3 maps of 128 to 128 each; a head of 5 classes.
    found = count_as_published("bert-tiny", "lora", {"r": "2"}, 5)

    assert (found.adapter, found.head) == (2 * 3 * 2 * (128 + 128), 5 * 128 + 5)


def test_a_model_that_the_study_had_not_goes_by_its_rules() -> None:
    # 24 layers of width 1024; peft adapts queries and values of a BERT.
    found = count_as_published("BioLinkBERT-large", "lora", {})

    assert (found.adapter, found.head, found.total) == (24 * 2 * 8 * 2048, 2050, 333475840 + 2050)


def test_targets_can_be_named_where_there_is_no_rule() -> None:
    with pytest.raises(BadInput, match="peft has no default targets for family 'megatron-bert', and the study no rule"):
        count_as_published("gatortron-base", "lora", {})

    assert count_as_published("gatortron-base", "lora", {"targets": "query,value"}).adapter == 24 * 2 * 8 * 2048


@pytest.mark.parametrize(
    ("model", "method", "options", "rule"),
    [
        ("bert-tiny", "boft", {}, "is none of the 2024 study's"),
        ("bert-tiny", "lora", {"rank": "8"}, "is no option of the study's lora; it has r, targets"),
        ("bert-tiny", "lora", {"r": "0"}, "is no whole number above 0"),
        ("Clinical-Longformer", "full", {}, "cannot be counted as the study did"),
    ],
)
def test_what_the_study_cannot_tell_is_refused(model: str, method: str, options: dict[str, str], rule: str) -> None:
    with pytest.raises(BadInput, match=rule):
        count_as_published(model, method, options)
