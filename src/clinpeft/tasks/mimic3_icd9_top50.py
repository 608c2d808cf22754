"""mimic3-icd9-top50: which of the most frequent main diagnoses does a discharge summary state?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from clinpeft.sources.base import RawFiles
from clinpeft.tasks._mimic3_primary import STATED, Codebook, Mimic3Primary, Row
from clinpeft.tasks.base import BuildLog

PUBLISHED = (
    *("0380", "03811", "03842", "03849", "0389", "042", "1623", "1983", "29181", "3962", "41011", "41041", "41071"),
    *("41401", "41519", "4240", "4241", "4271", "42731", "4280", "42823", "430", "431", "4321", "43310", "43411"),
    *("43491", "4373", "44101", "4414", "486", "5070", "51881", "51884", "53240", "56212", "5712", "5715", "5761"),
    *("5770", "5789", "5849", "85221", "99662", "99811", "99859", "V3000", "V3001", "V3101", "V3401"),
)
"""The released list of labels."""


class Mimic3Icd9Top50(Mimic3Primary):
    """One discharge summary, its first-listed diagnosis if that is among the most frequent (Taylor et al. 2022)."""

    title: ClassVar[str] = "Main ICD-9 diagnosis of a discharge summary, of the 50 most frequent ones"
    is_not: ClassVar[str] = (
        f"{STATED} The codes are the most frequent ones of this split's train, so another split may have others. The "
        "published split parts rows, so patients stand on both sides of it."
    )

    num_codes: int = Field(default=50, ge=2)
    """How many of train's most frequent codes are kept; equally frequent ones in order of the code."""

    def codebook(self, raw: RawFiles, log: BuildLog) -> Codebook:
        """The most frequent codes in train stand for themselves."""

        def most_frequent(rows: Sequence[Row]) -> dict[str, str]:
            num = Counter(row.code for row in rows if row.split == "train")
            codes = sorted(sorted(num, key=lambda code: (-num[code], code))[: self.num_codes])
            log.label_space(codes)
            if self.split == "paper" and self.text == "full" and self.num_codes == len(PUBLISHED):
                why = "the published order of rows, and so the published train, is not known"
                log.expect("codes of the released list", len(PUBLISHED), len({*codes} & {*PUBLISHED}), "V", why)
            return {code: code for code in codes}

        return Codebook(labels=most_frequent)
