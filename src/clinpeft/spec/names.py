"""The words that a study is written in: kinds of task, costs, baselines."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

SCHEMA = 1
Kind = Literal["classification", "multilabel", "entities", "relations", "pairs"]
Mode = Literal["fair", "paper"]
"""Of a study: methods compared on equal terms, or a publication repeated with its mistakes."""
Dropout = Literal["none", "hidden", "model"]
Scalar = bool | int | float | str | None
Name = Annotated[str, Field(min_length=1, max_length=200)]
CostField = Literal[
    "train_seconds",
    "evaluate_seconds",
    "peak_host_bytes",
    "peak_device_bytes",
    "energy_joules",
    "flops",
    "adapter_bytes",
    "latency_p50_seconds",
    "latency_p99_seconds",
    "examples_per_second",
]
BaselineName = Literal["majority", "tfidf-logistic", "encoder-logistic"]
BASELINES: tuple[BaselineName, ...] = get_args(BaselineName)
ENCODER_BASELINE: BaselineName = "encoder-logistic"
"""The one that reads with a model: it runs once for each model of a study."""
