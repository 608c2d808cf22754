"""A task's examples as one model reads them: made once for all the methods and seeds that need the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from clinpeft.data.dataset import TaskDataset
from clinpeft.data.sections import ranked_headings
from clinpeft.data.select import Splits, examples_of
from clinpeft.data.tokenize import Encoded, Encoder
from clinpeft.models.catalogue import ResolvedModel
from clinpeft.spec import Subset, ValidationChoice


@dataclass(frozen=True)
class Prepared:
    """The splits of one run, as examples and encoded, in the same order."""

    encoder: Encoder
    splits: Splits = field(repr=False)
    encoded: dict[str, list[Encoded]] = field(repr=False)


def prepare_examples(
    dataset: TaskDataset,
    model: ResolvedModel,
    length: int,
    long_text: str,
    subset: Subset | None,
    fold: int | None,
    validated_on: ValidationChoice | None = None,
) -> Prepared:
    """Train, validation and test of a run; what the run before it used, where nothing of this differs.

    Only the last is remembered, in memory: runs come by task and model.
    """
    family = model.card.architecture()
    has_types, reads_last = family.has_token_types, family.reads_last
    identity = dataset.card.fingerprint, model.weights_sha256
    chosen = subset, fold, validated_on
    return _prepared(dataset.folder, model.folder, identity, length, long_text, chosen, has_types, reads_last)


@lru_cache(maxsize=1)
def _prepared(
    folder: Path,
    model_folder: Path,
    identity: tuple[str, str],
    length: int,
    long_text: str,
    chosen: tuple[Subset | None, int | None, ValidationChoice | None],
    has_types: bool,
    reads_last: bool,
) -> Prepared:
    """`identity` is no input: it tells data or weights apart that came to lie in the same place."""
    from transformers import AutoTokenizer

    dataset = TaskDataset.open(folder)
    tokenizer = AutoTokenizer.from_pretrained(model_folder, local_files_only=True, trust_remote_code=False)
    encoder = Encoder(
        tokenizer,
        dataset.card,
        max_length=length,
        long_text=long_text,
        has_token_types=has_types,
        ranked=ranked_headings(dataset.card),
        reads_last=reads_last,
    )
    splits = examples_of(dataset, *chosen)
    return Prepared(encoder, splits, {name: encoder.encode(examples) for name, examples in splits.items()})
