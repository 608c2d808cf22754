"""bc5cdr-cid: the smallest window, the closest mentions, and what is out of reach."""

from __future__ import annotations

from pathlib import Path

from clinpeft.sources.base import RawFiles
from clinpeft.sources.bc5cdr_pubtator import FILES
from clinpeft.tasks.base import BuildLog, Example
from clinpeft.tasks.bc5cdr_cid import Bc5CdrCid

TITLE = "Lithium and tremor."
BODY = "Ten men took lithium. Tremor began soon. Two had gout and tremor. All went home. One fell. Gout stayed."
TEXT = f"{TITLE} {BODY}"


def mention(text: str, nth: int, type_: str, ids: str) -> str:
    start = -1
    for _ in range(nth):
        start = TEXT.index(text, start + 1)
    return f"7\t{start}\t{start + len(text)}\t{text}\t{type_}\t{ids}\n"


def examples(folder: Path, *lines: str, **options: int) -> tuple[list[Example], BuildLog]:
    block = f"7|t|{TITLE}\n7|a|{BODY}\n{''.join(lines)}"
    for name in FILES.values():
        (folder / name).write_text(block)
    log = BuildLog()
    found = [example for example in Bc5CdrCid(**options).examples(RawFiles(folder), log) if example.split == "train"]
    return found, log


def described(example: Example) -> tuple[str, str, str, str, str | None]:
    assert example.head is not None and example.tail is not None
    head, tail = (example.text[span.start : span.end] for span in (example.head, example.tail))
    return example.example, example.text, head, tail, example.label


def test_the_fewest_sentences_win_over_closer_mentions_in_more_sentences(tmp_path: Path) -> None:
    # "lithium. Tremor" of the body are two characters apart, "Lithium and tremor" of the title five, in one sentence.
    found, _ = examples(
        tmp_path,
        mention("Lithium", 1, "Chemical", "D1"),
        mention("tremor", 1, "Disease", "D2"),
        mention("lithium", 1, "Chemical", "D1"),
        mention("Tremor", 1, "Disease", "D2"),
        "7\tCID\tD1\tD2\n",
    )
    assert [described(example) for example in found] == [("7-D1-D2", TITLE, "Lithium", "tremor", "CID")]
    assert (found[0].subject, found[0].document) == ("7", "7")


def test_of_equally_few_sentences_those_with_the_closest_mentions_are_taken(tmp_path: Path) -> None:
    found, _ = examples(
        tmp_path,
        mention("tremor", 1, "Disease", "D2"),
        mention("lithium", 1, "Chemical", "D1"),
        mention("Tremor", 1, "Disease", "D2"),
    )
    window = "Ten men took lithium. Tremor began soon."
    assert [described(example) for example in found] == [("7-D1-D2", window, "lithium", "Tremor", "none")]


def test_a_pair_beyond_three_sentences_is_no_example_but_counted(tmp_path: Path) -> None:
    far = (mention("lithium", 1, "Chemical", "D1"), mention("Gout", 1, "Disease", "D3"), "7\tCID\tD1\tD3\n")
    found, log = examples(tmp_path, *far)
    assert found == []
    assert log.filters[:2] == [("train-CID-within-3-sentences", 0, 1), ("train-none-within-3-sentences", 0, 0)]
    (found, log) = examples(tmp_path, *far, max_sentences=6)
    assert [example.text for example in found] == [BODY]
    assert log.filters[0] == ("train-CID-within-6-sentences", 1, 0)


def test_a_composite_mention_makes_a_pair_with_each_of_its_concepts(tmp_path: Path) -> None:
    found, _ = examples(
        tmp_path,
        mention("lithium", 1, "Chemical", "D1"),
        mention("gout and tremor", 1, "Disease", "D3|D2"),
        "7\tCID\tD1\tD2\n",
    )
    assert [(example.example, example.label) for example in found] == [("7-D1-D3", "none"), ("7-D1-D2", "CID")]


def test_a_mention_without_concept_makes_no_pair(tmp_path: Path) -> None:
    found, _ = examples(tmp_path, mention("Lithium", 1, "Chemical", "-1"), mention("tremor", 1, "Disease", "D2"))
    assert found == []
