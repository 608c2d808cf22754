"""Area under the ROC curve between every two classes, as some papers average it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import ClassVar

from clinpeft.metrics._decisions import gold_of, scores_of
from clinpeft.metrics._ranking import Ranked, rank
from clinpeft.metrics.auroc import Auroc
from clinpeft.metrics.base import Predictions
from clinpeft.spec import Kind


class AurocOvo(Auroc):
    """`auroc` of one class against one other, averaged with equal weight over all pairs, both ways round.

    For two classes it is `auroc`. Equal to sklearn's `roc_auc_score(multi_class="ovo", average="macro")` where every
    class has an example; pairs without one are left out, and `remark` says how many.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("classification", "pairs")
    title: ClassVar[str] = "chance that a case of one class is ranked above one of another class, over pairs of classes"
    citation: ClassVar[str] = "Hand and Till 2001, doi:10.1023/A:1010920819831"

    def ranked(self, predictions: Predictions) -> Iterator[Ranked]:
        if predictions.positive is not None:
            yield from super().ranked(predictions)
            return
        gold, scores = gold_of(predictions), scores_of(predictions)
        for one, other in permutations(range(scores.shape[1]), 2):
            yield rank(scores[:, one], gold == one, gold == other)

    def remark(self, predictions: Predictions) -> str | None:
        defined = [pair.is_defined for pair in self.ranked(predictions)]
        if all(defined):
            return None
        return f"over {sum(defined)} of {len(defined)} ordered pairs of classes; the others lack examples"
