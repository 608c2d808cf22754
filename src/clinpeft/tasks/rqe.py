"""rqe: does an answer to one medical question answer another one too?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import ClassVar, Literal

from clinpeft.sources.base import RawFiles
from clinpeft.sources.rqe import TEST, TRAIN, QuestionPair, read_question_pairs
from clinpeft.spec import Kind
from clinpeft.tasks.base import BuildLog, Example, Task

PUBLISHED = {TRAIN: 8588, TEST: 302}
VALIDATION_SHARE = 0.1


class Rqe(Task):
    """A pair of questions: entailed, if every answer to the second answers the first, at least in part."""

    kind: ClassVar[Kind] = "pairs"
    source: ClassVar[str] = "rqe"
    metric: ClassVar[str] = "accuracy"
    labels: ClassVar[tuple[str, ...] | None] = ("not-entailed", "entailed")
    positive: ClassVar[str | None] = "entailed"
    title: ClassVar[str] = "Whether an answer to one medical question also answers another (question entailment)"
    citation: ClassVar[str] = (
        "Asma Ben Abacha, Dina Demner-Fushman. Recognizing Question Entailment for Medical Question Answering. AMIA "
        "Annual Symposium Proceedings 2016, 310-318."
    )
    download: ClassVar[str] = "https://github.com/abachaa/RQE_Data_AMIA2016 (the two XML files)"
    licence: ClassVar[str] = "CC BY 4.0"
    is_not: ClassVar[str] = (
        "Not hospital text, and train says little about test: training pairs are questions of clinicians with a "
        "shorter wording of the same question (entailed; nearly a third of these are word for word the same) or of "
        "another question at random (not entailed); test pairs are e-mails of consumers with questions of NIH pages, "
        "where the negatives are close in topic. High validation scores therefore do not carry over: the 2016 paper's "
        "best, a logistic regression, reached about 75 % (recalled, not checked), and always saying no gives 57 %. "
        "There is no official validation set: a tenth of the questions asked is taken from train by hash. Pairs are "
        "kept together by the question asked only; as the second question it may stand on the other side. One pair of "
        "two equal questions is labelled not entailed in the file and is kept so."
    )
    split_by: ClassVar[str] = "document"

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """The pairs in file order; `subject` is the question asked, so that all its pairs fall into one split."""
        for name, published in PUBLISHED.items():
            pairs = list(read_question_pairs(raw, name))
            log.expect(f"pairs in {name}", published, len(pairs), "V")
            complete = [pair for pair in pairs if pair.chq and pair.faq]
            log.filtered(
                f"both-questions-in-{'train' if name == TRAIN else 'test'}", len(complete), len(pairs) - len(complete)
            )
            for pair in pairs:
                if not (pair.chq and pair.faq):
                    log.anomaly(name, pair.line, "empty-question")
                elif not pair.is_entailed and question_key(pair.chq) == question_key(pair.faq):
                    log.anomaly(name, pair.line, "equal-questions-not-entailed")
            for pair in complete:
                yield _example(name, pair)


def question_key(question: str) -> str:
    """One key for a question, whatever its case and blanks: SHA-1, 40 hex digits."""
    return hashlib.sha1(" ".join(question.lower().split()).encode(), usedforsecurity=False).hexdigest()


def _example(name: str, pair: QuestionPair) -> Example:
    asked = question_key(pair.chq)
    split = "test" if name == TEST else _train_or_validation(asked)
    label = "entailed" if pair.is_entailed else "not-entailed"
    prefix = "test" if name == TEST else "train"
    return Example(f"{prefix}-{pair.id}", asked, asked, pair.chq, split=split, text_b=pair.faq, label=label)


def _train_or_validation(asked: str) -> Literal["train", "validation"]:
    u = int(hashlib.sha256(f"split-v1|rqe|{asked}".encode()).hexdigest()[:16], 16) / 2**64
    return "validation" if u < VALIDATION_SHARE else "train"
