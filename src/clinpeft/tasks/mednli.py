"""mednli: does a sentence of a patient's history entail another one, contradict it, or neither?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from clinpeft.sources.base import RawFiles
from clinpeft.sources.mednli import LABELS, SentencePair, Split, find_files, premise_key, read_pairs
from clinpeft.spec import Kind
from clinpeft.tasks._physionet import PhysioNetTask
from clinpeft.tasks.base import BuildLog, Example

PUBLISHED: dict[Split, int] = {"train": 11_232, "validation": 1_395, "test": 1_422}


class MedNli(PhysioNetTask):
    """A premise from a note's past medical history and a hypothesis that a physician wrote to it.

    In paper mode the hypothesis is left out: the scripts of the lightweight clinical models load this set without
    saying that it has two sentences, and so read the first alone. Each premise has a hypothesis of every class, so
    nothing can be learnt that way, and the dataset is one of kind `classification`.
    """

    kind: ClassVar[Kind] = "pairs"
    source: ClassVar[str] = "mednli"
    metric: ClassVar[str] = "accuracy"
    labels: ClassVar[tuple[str, ...] | None] = LABELS
    title: ClassVar[str] = "Whether a sentence of a clinical note entails, contradicts or leaves open another sentence"
    citation: ClassVar[str] = (
        "Alexey Romanov, Chaitanya Shivade. Lessons from Natural Language Inference in the Clinical Domain. EMNLP "
        "2018, 1586-1596."
    )
    download: ClassVar[str] = "https://physionet.org/content/mednli/1.0.0/ (credentialed access, agreement)"
    is_not: ClassVar[str] = (
        "Not reading of notes: single sentences, and hypotheses written for the purpose, whose wording alone gives "
        "some labels away. The premises come from MIMIC-III notes of patients who died, so models pre-trained on MIMIC "
        "have read them, and cohorts of other MIMIC-III tasks hold the same patients. Nothing names patients: premises "
        "stand for them, and intervals are narrower than they would be by patient. Should a premise stand in two "
        "official splits, the earlier split (train before validation before test) loses its pairs, which is noted."
    )
    split_by: ClassVar[str] = "document"
    has_paper_mode: ClassVar[bool] = True

    def kind_built(self) -> Kind:
        """Without the second sentence there are no pairs."""
        return "classification" if self.mode == "paper" else self.kind

    def keeps_together(self) -> str | None:
        """The published files as they are may part the pairs of a premise."""
        return None if self.mode == "paper" else super().keeps_together()

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """The pairs of the official splits in file order; `subject` is the premise's SHA-1."""
        files = find_files(raw, allow_modified=self.allow_modified)
        pairs = {split: _labelled(split, list(read_pairs(file)), log) for split, file in files.items()}
        premises = {split: {pair.premise for pair in found} for split, found in pairs.items()}
        later: dict[Split, set[str]] = {
            "train": premises["validation"] | premises["test"],
            "validation": premises["test"],
            "test": set(),
        }
        for split, found in pairs.items():
            crossing = [pair for pair in found if pair.premise in later[split]]
            for pair in crossing:
                log.anomaly(files[split].path, pair.line, "premise-in-a-later-split")
            if self.mode == "correct":
                log.filtered(f"{split}-premise-in-no-later-split", len(found) - len(crossing), len(crossing))
            for pair in found:
                if self.mode == "paper" or pair.premise not in later[split]:
                    yield self._example(split, pair)

    def _example(self, split: Split, pair: SentencePair) -> Example:
        premise = premise_key(pair.premise)
        hypothesis = None if self.mode == "paper" else pair.hypothesis
        return Example(pair.id, premise, premise, pair.premise, split=split, text_b=hypothesis, label=pair.label)


def _labelled(split: Split, pairs: list[SentencePair], log: BuildLog) -> list[SentencePair]:
    log.expect(f"pairs in {split}", PUBLISHED[split], len(pairs), "V")
    kept = [pair for pair in pairs if pair.label is not None]
    log.filtered(f"{split}-gold-label-agreed-on", len(kept), len(pairs) - len(kept))
    return kept
