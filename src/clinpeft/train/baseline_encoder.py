"""A baseline that reads with a model as it was pre-trained: logistic regression on the states that a head would read.

What tuning adds to a model is what a tuned one does better than this. No weight of the model changes and no gradient is
computed (Peters et al., RepL4NLP 2019; the linear probe of Alain and Bengio, 2016).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from clinpeft.data.card import Card
from clinpeft.data.tokenize import Encoded, tag_names
from clinpeft.metrics.base import Predictions
from clinpeft.models.load import ClinicalModel
from clinpeft.tasks.base import Example
from clinpeft.train.baseline_tagger import decode
from clinpeft.train.baseline_text import fit_probabilities, logistic_path
from clinpeft.train.baselines import best_of, fit_baseline, has_contrast, penalties_for
from clinpeft.train.evaluate import read
from clinpeft.train.precision import Precision
from clinpeft.train.predictions import gold_of, predictions_from

States = npt.NDArray[np.float32]
Answer = Callable[[Any], Any]
"""From standardised states to probabilities [n, k], or of words to log probabilities of their tags."""

MOST_WORDS = 200_000
"""Of train, on which a tagger is fitted; of more words every second (third, …) text is read."""


@dataclass
class EncoderBaseline:
    """Fit on train, choose the penalty on validation, then ask; examples and how the model reads them go together.

    A text's states are those that the head reads: the mean over its pieces, its first, its last, or the markers of a
    relation; of a text in windows the windows' mean; of entities the state of each word. They are standardised over
    train and divided by √width, whereupon a row is as long as a tf-idf row and the same penalties mean the same.
    """

    model: ClinicalModel = field(repr=False)
    card: Card
    pad_id: int
    precision: Precision
    _scaler: Any = field(default=None, init=False, repr=False)
    _answers: list[Answer] = field(default_factory=list, init=False, repr=False)
    """One a penalty until one is chosen; none where train holds a single answer."""
    _tags: list[str] = field(default_factory=list, init=False, repr=False)
    _shares: Callable[[Sequence[Example]], Predictions] | None = field(default=None, init=False, repr=False)

    def fit(self, examples: Sequence[Example], encoded: Sequence[Encoded], *, is_tuned: bool) -> None:
        """Read train and fit; with `is_tuned` a regression for each penalty that validation may choose from."""
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        self._answers, self._scaler = [], None
        self._shares = fit_baseline("majority", examples, (), self.card)
        if not has_contrast(examples, self.card):
            return
        penalties = penalties_for(self.card, is_tuned=is_tuned)
        with threadpool_limits(1):
            self._answers = (self._fit_words if self.card.kind == "entities" else self._fit_texts)(
                examples, encoded, penalties
            )

    def choose(self, examples: Sequence[Example], encoded: Sequence[Encoded]) -> Predictions:
        """Keep the regression with the best headline metric on these, the first on ties; its predictions for them."""
        states = self._states(encoded)
        found = [self._predictions(examples, encoded, states, answer) for answer in self._answers]
        if not found:
            return self(examples, encoded)
        place = best_of(found, self.card)
        self._answers = [self._answers[place]]
        return found[place]

    def __call__(self, examples: Sequence[Example], encoded: Sequence[Encoded]) -> Predictions:
        """What it says of these. To be called after `fit`, and `choose` where several penalties were fitted."""
        if not self._answers:
            assert self._shares is not None
            return self._shares(examples) if self.card.kind != "entities" else self._tagged(examples, encoded, ())
        return self._predictions(examples, encoded, self._states(encoded), self._answers[0])

    def _fit_texts(
        self, examples: Sequence[Example], encoded: Sequence[Encoded], penalties: Sequence[float]
    ) -> list[Answer]:
        gold, missing = gold_of(examples, self.card)
        states = self._standardised(_of_texts(self.model, encoded, self.pad_id, self.precision))
        return list(fit_probabilities(states, gold, missing, len(self.card.labels), penalties))

    def _fit_words(
        self, examples: Sequence[Example], encoded: Sequence[Encoded], penalties: Sequence[float]
    ) -> list[Answer]:
        step = -(-sum(_num_words(item) for item in encoded) // MOST_WORDS) or 1
        some = list(encoded[::step])
        names = tag_names(self.card)
        gold = [names[tag] for item in some for tag in _gold_tags(item)]
        if len(set(gold)) < 2:
            return []
        words = np.concatenate(_of_words(self.model, some, self.pad_id, self.precision))
        models = logistic_path(self._standardised(words), gold, penalties)
        self._tags = [str(tag) for tag in models[0].classes_]
        return [model.predict_log_proba for model in models]

    def _states(self, encoded: Sequence[Encoded]) -> Any:
        """Standardised: [n, d], or of entities all words one after the other."""
        if not encoded or not self._answers:
            return None
        if self.card.kind != "entities":
            return self._standardised(_of_texts(self.model, encoded, self.pad_id, self.precision))
        return self._standardised(np.concatenate(_of_words(self.model, encoded, self.pad_id, self.precision)))

    def _predictions(
        self, examples: Sequence[Example], encoded: Sequence[Encoded], states: Any, answer: Answer
    ) -> Predictions:
        if self.card.kind != "entities":
            scores = answer(states) if encoded else np.zeros((0, len(self.card.labels)))
            return predictions_from(examples, self.card, scores)
        if states is None or not len(states):
            return self._tagged(examples, encoded, ())
        ends = np.cumsum([_num_words(item) for item in encoded])
        return self._tagged(
            examples, encoded, [decode(rows, self._tags) for rows in np.split(answer(states), ends[:-1])]
        )

    def _tagged(
        self, examples: Sequence[Example], encoded: Sequence[Encoded], tags: Sequence[tuple[str, ...]]
    ) -> Predictions:
        """Words beyond what was read, and all of them where there are no tags, are `O`."""
        counts = [item.piece_counts for item in encoded if item.piece_counts is not None]
        return predictions_from(examples, self.card, predicted_tags=tags or [()] * len(examples), piece_counts=counts)

    def _standardised(self, states: States) -> States:
        """In place; the first that are given are train's."""
        from sklearn.preprocessing import StandardScaler

        if not len(states):
            return states
        if self._scaler is None:
            self._scaler = StandardScaler(copy=False).fit(states)
        scaled = cast(States, self._scaler.transform(states))
        scaled /= np.sqrt(np.float32(scaled.shape[1]))
        return scaled


def _of_texts(model: ClinicalModel, encoded: Sequence[Encoded], pad_id: int, precision: Precision) -> States:
    """float32 [n, d], in the order of the examples."""
    rows: dict[int, torch.Tensor] = {}
    for batch, features in read(model, encoded, pad_id, precision):
        own = iter(features.float().cpu())
        for index, num in zip(batch.indices, batch.rows_of_examples(), strict=True):
            rows[index] = torch.stack(list(islice(own, num))).mean(0)
    return torch.stack([rows[index] for index in range(len(encoded))]).numpy()


def _of_words(model: ClinicalModel, encoded: Sequence[Encoded], pad_id: int, precision: Precision) -> list[States]:
    """For each example float32 [words that are read, d]."""
    found: dict[int, torch.Tensor] = {}
    for batch, features in read(model, encoded, pad_id, precision):
        rows = iter(features)
        for index in batch.indices:
            parts = [next(rows)[_read_at(window)] for window in encoded[index].windows]
            found[index] = torch.cat(parts).float().cpu()
    return [found[index].numpy() for index in range(len(encoded))]


def _read_at(window: Encoded) -> list[int]:
    """The pieces that words are read off."""
    return [start for start in window.word_starts or () if start >= 0]


def _num_words(item: Encoded) -> int:
    return sum(len(_read_at(window)) for window in item.windows)


def _gold_tags(item: Encoded) -> list[int]:
    """Index of the tag of each word that is read."""
    return [(window.piece_tags or [])[start] for window in item.windows for start in _read_at(window)]
