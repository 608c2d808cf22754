"""i2b2-2010-relations: how are a problem and a treatment, a test or another problem of one line related?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from clinpeft.sources._i2b2_2010_annotations import RELATIONS, parse_concepts, parse_relations
from clinpeft.sources.base import RawFiles
from clinpeft.sources.i2b2_2010 import Document, read_documents
from clinpeft.spec import Kind
from clinpeft.tasks import _i2b2_2010 as shared
from clinpeft.tasks._hash_split import in_hash_order
from clinpeft.tasks._i2b2_2010_pairs import (
    Gold,
    MarkedPair,
    Mention,
    mentions_of,
    pairs_on_a_line,
    replaced,
    resolved,
    wrapped,
)
from clinpeft.tasks._n2c2_terms import LICENCE, TERMS
from clinpeft.tasks.base import BuildLog, Example, Task

NONE = "none"
PUBLISHED: dict[shared.Side, dict[str, int]] = {
    "train": {
        "documents": shared.NUM_DOCUMENTS["train"],
        "relations": 3_120,
        "PIP": 755,
        "TeCP": 166,
        "TeRP": 993,
        "TrAP": 885,
        "TrCP": 184,
        "TrIP": 51,
        "TrNAP": 62,
        "TrWP": 24,
    },
    "test": {
        "documents": shared.NUM_DOCUMENTS["test"],
        "relations": 6_293,
        "PIP": 1_448,
        "TeCP": 338,
        "TeRP": 2_060,
        "TrAP": 1_732,
        "TrCP": 342,
        "TrIP": 152,
        "TrNAP": 112,
        "TrWP": 109,
    },
}
"""Lines of .rel files in the release without the Pittsburgh records; train is with what validation takes from it."""
_VERIFIED = {("train", "documents"), ("test", "documents"), ("test", "relations")}
BLUE: tuple[tuple[shared.SplitName, str, int, Literal["V", "M"]], ...] = (
    ("train", "related pairs", 3_110, "V"),
    ("validation", "related pairs", 11, "V"),
    ("test", "related pairs", 6_293, "V"),
    ("train", "pairs", 22_160, "V"),
    ("validation", "pairs", 99, "M"),
    ("test", "pairs", 43_000, "M"),
)
"""What Peng et al. (2019) made of the release; the pairs are those of Lewis et al. (2020), who used the same script."""


class I2b22010Relations(Task):
    """Two concepts of a line, one of eight relations or `none`: the challenge's third task, concepts given."""

    kind: ClassVar[Kind] = "relations"
    source: ClassVar[str] = shared.SOURCE
    metric: ClassVar[str] = "relation-f1"
    labels: ClassVar[tuple[str, ...] | None] = (*RELATIONS, NONE)
    title: ClassVar[str] = "The relation of a problem to a treatment, test or other problem that the same line names"
    citation: ClassVar[str] = (
        f"{shared.CITATION} Pairs: Yifan Peng, Shankai Yan, Zhiyong Lu. Transfer Learning in Biomedical Natural "
        "Language Processing: An Evaluation of BERT and ELMo on Ten Benchmarking Datasets. BioNLP 2019, 58-65."
    )
    download: ClassVar[str] = shared.DOWNLOAD
    licence: ClassVar[str] = LICENCE
    terms: ClassVar[tuple[str, ...]] = TERMS
    is_not: ClassVar[str] = (
        f"{shared.IS_NOT} The concepts are given, not found, and only pairs of one line are looked at. Scores with "
        "`pairs=all` and `pairs=typed` differ little in what can be found and much in how many pairs are `none`. "
        "`--compat paper` follows the BLUE benchmark: all pairs, mentions replaced (with types in the wrong place "
        "where the concept file is out of order), a pair twice that has two relations, and one validation document, "
        "as its list of them was misread; results chosen on that one document are chosen nearly at random."
    )
    split_by: ClassVar[str] = "document"
    has_paper_mode: ClassVar[bool] = True

    pairs: Literal["typed", "all"] = "typed"
    """`typed` leaves out pairs without a problem, which no relation can tie; `all` takes every pair of a line."""
    markers: Literal["wrap", "replace"] = "wrap"
    """`wrap` keeps the words, which the model reads between `@ @` and `# #`; `replace` puts `@problem$` for them."""

    @model_validator(mode="before")
    @classmethod
    def _as_published(cls, value: Any) -> Any:
        is_paper = isinstance(value, dict) and value.get("mode") == "paper"
        return {"pairs": "all", "markers": "replace", **value} if is_paper else value

    @model_validator(mode="after")
    def _paper_mode_is_whole(self) -> Self:
        if self.mode == "paper" and (self.pairs, self.markers) != ("all", "replace"):
            raise ValueError("paper mode takes pairs=all and markers=replace")
        return self

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """The pairs by part, document and their lines in the `.con` file: `<document>.con:<line>-<line>`."""
        documents = read_documents(raw, ("con", "rel"))
        validation = self._validation(documents)
        num: Counter[tuple[str, str]] = Counter()
        for document in documents:
            split = shared.split_of(document, validation)
            num[shared.side_of(document), "documents"] += 1
            for example in self._pairs_of(document, split, num, log):
                num[split, "pairs"] += 1
                num[split, "related pairs"] += example.label != NONE
                yield example
        self._report(num, log)

    def _validation(self, documents: Sequence[Document]) -> set[str]:
        """Paper mode keeps the last one only: BLUE read its list with line ends, which the last line has not."""
        chosen = shared.validation_documents(documents)
        return set(in_hash_order(shared.SOURCE, chosen)[-1:]) if self.mode == "paper" else chosen

    def _pairs_of(
        self, document: Document, split: shared.SplitName, num: Counter[tuple[str, str]], log: BuildLog
    ) -> Iterator[Example]:
        lines = shared.read_lines(document, log)
        for suffix, code in (("con", "no-concept-file"), ("rel", "no-relation-file")):
            if suffix not in document.annotations:
                log.anomaly(document.text.path, None, code)
                return
        mentions = self._mentions(document, lines, log)
        names = self._names(document, lines, mentions, num, log)
        for first, second in pairs_on_a_line(mentions):
            if not self._is_wanted(mentions[first], mentions[second]):
                num["all", "pairs-left-out"] += 1
                continue
            pair = self._marked(lines, mentions[first], mentions[second])
            id_ = f"{document.id}.con:{mentions[first].row}-{mentions[second].row}"
            for number, name in enumerate(names.get((first, second), [NONE]), start=1):
                unique = id_ if number == 1 else f"{id_}:{number}"
                yield Example(
                    unique, document.id, document.id, pair.text, split=split, label=name, head=pair.head, tail=pair.tail
                )

    def _mentions(self, document: Document, lines: list[str], log: BuildLog) -> list[Mention]:
        """The concepts that have a place; BLUE takes a concept that stands twice for two."""
        file = document.annotations["con"]
        concepts = parse_concepts(file, len(lines))
        singles = concepts if self.mode == "paper" else shared.without_copies(concepts, file, log)
        return mentions_of(shared.placed(singles, lines, file, log, "concept"))

    def _names(
        self,
        document: Document,
        lines: list[str],
        mentions: Sequence[Mention],
        num: Counter[tuple[str, str]],
        log: BuildLog,
    ) -> dict[tuple[int, int], list[str]]:
        """The relations of each pair that has one, by the positions of its mentions; what is lost is noted."""
        file, side = document.annotations["rel"], shared.side_of(document)
        relations = parse_relations(file, len(lines))
        for relation in relations:
            num.update(((side, "relations"), (side, relation.name), ("all", "relations")))
        golds: dict[tuple[int, int], list[Gold]] = {}
        wanted = {pair for pair in pairs_on_a_line(mentions) if self._is_wanted(*(mentions[index] for index in pair))}
        for gold in resolved(relations, mentions, lines, file, log, is_paper=self.mode == "paper"):
            num["all", "resolved"] += 1
            pair = min(gold.first, gold.second), max(gold.first, gold.second)
            if pair in wanted:
                golds.setdefault(pair, []).append(gold)
                num["all", "on-pairs"] += 1
            else:
                log.anomaly(file.path, gold.row, "relation-of-no-pair")
        return {pair: self._chosen(found, file.path, num, log) for pair, found in golds.items()}

    def _chosen(self, found: list[Gold], path: str, num: Counter[tuple[str, str]], log: BuildLog) -> list[str]:
        """The first in the order of the labels; in paper mode all, from the last line of the file to the first."""
        if self.mode == "paper":
            return [gold.name for gold in reversed(found)]
        found = sorted(found, key=lambda gold: list(RELATIONS).index(gold.name))
        for gold in found[1:]:
            num["all", "second"] += 1
            log.anomaly(path, gold.row, "duplicate-relation" if gold.name == found[0].name else "second-relation")
        return [found[0].name]

    def _is_wanted(self, first: Mention, second: Mention) -> bool:
        return self.pairs == "all" or "problem" in {first.type, second.type}

    def _marked(self, lines: list[str], first: Mention, second: Mention) -> MarkedPair:
        if self.markers == "wrap":
            return wrapped(lines, first, second)
        return replaced(lines, first, second, is_paper=self.mode == "paper")

    def _report(self, num: Counter[tuple[str, str]], log: BuildLog) -> None:
        resolved, on_pairs = num["all", "resolved"], num["all", "on-pairs"]
        log.filtered("relations-between-concepts", resolved, num["all", "relations"] - resolved)
        log.filtered("relations-on-pairs", on_pairs, resolved - on_pairs)
        log.filtered("one-relation-a-pair", on_pairs - num["all", "second"], num["all", "second"])
        num_pairs = sum(num[split, "pairs"] for split in ("train", "validation", "test"))
        log.filtered(
            "pairs-with-a-problem" if self.pairs == "typed" else "pairs", num_pairs, num["all", "pairs-left-out"]
        )
        shared.expect_counts(num, PUBLISHED, _VERIFIED, log)
        if self.mode == "paper":
            for split, what, published, sure in BLUE:
                why = "the published list of validation documents is not in the release: another one is validation"
                log.expect(f"BLUE {split}: {what}", published, num[split, what], sure, None if split == "test" else why)
