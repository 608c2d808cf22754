"""A second opinion on the strict leak filter of admission notes: sentence by sentence, without patterns of sections."""

from __future__ import annotations

import re

_DEATH_WORDS = "cmo|comfort measures|dni|dnr|hospice|morgue|expired|deceased|passed away|time of death"
_LAST_DAY = ("discharge exam", "discharge physical exam", "on discharge", "at discharge")


def stricter(note: str) -> str:
    """The note as `leak_filter=strict` leaves it; a section it does not touch stays to the letter."""
    return "\n\n".join(_section(*section.partition(":")) for section in note.split("\n\n"))


def _section(name: str, colon: str, body: str) -> str:
    lower = body.lower()
    ends = [len(body)]
    if name == "PHYSICAL EXAM":
        ends += [lower.find(words) for words in _LAST_DAY if words in lower]
        ends += [found.start() for found in re.finditer(r"(?<!\w)discharge *:", lower)]
    if name == "PRESENT ILLNESS" and "hospital course" in lower:
        before = lower[: lower.find("hospital course")]
        ends.append(len(before.removesuffix("brief ")))
    kept = body[: min(ends)]
    if name != "FAMILY HISTORY" and _hints(kept):
        marked = re.sub(r"([.;!?])\s+", "\\1\0", kept)
        kept = " ".join(sentence for sentence in marked.split("\0") if not _hints(sentence))
    elif min(ends) == len(body):
        return name + colon + body
    return f"{name}{colon} {kept.strip()}"


def _hints(text: str) -> bool:
    return re.search(rf"(?i)(?<!\w)({_DEATH_WORDS})(?!\w)", text) is not None
