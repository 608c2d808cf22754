from __future__ import annotations

from pathlib import Path

import pytest

from clinpeft.errors import BadInput
from clinpeft.sources._sentences import sentences_in, words_in
from clinpeft.sources.base import RawFiles
from clinpeft.sources.pubtator import ConceptRelation, Mention, PubTatorDocument, read_pubtator

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "bc5cdr_cid_re"
HEAD = "1|t|Zqx and seizures.\n1|a|Zqx worsened fits.\n"


def read(folder: Path, text: str, **options: bool) -> list[PubTatorDocument]:
    (folder / "t.pubtator").write_text(text)
    return list(read_pubtator(RawFiles(folder), folder / "t.pubtator", **options))


def test_offsets_run_through_title_blank_and_abstract(tmp_path: Path) -> None:
    lines = "1\t8\t16\tseizures\tDisease\tD012640\n1\t31\t35\tfits\tDisease\tD012640|D004827\n1\tCID\tC1\tD012640\n"
    (document,) = read(tmp_path, HEAD + lines)

    assert document.text == "Zqx and seizures. Zqx worsened fits."
    assert document.mentions == (
        Mention(8, 16, "Disease", ("D012640",), 3),
        Mention(31, 35, "Disease", ("D012640", "D004827"), 4),
    )
    assert document.relations == (ConceptRelation("CID", "C1", "D012640", 5),)


def test_unknown_concepts_are_none(tmp_path: Path) -> None:
    (document,) = read(tmp_path, HEAD + "1\t0\t3\tZqx\tChemical\t-1\n1\t8\t16\tseizures\tDisease\n")

    assert [mention.concepts for mention in document.mentions] == [(), ()]


def test_a_misplaced_mention_is_left_out_when_asked(tmp_path: Path) -> None:
    (document,) = read(tmp_path, HEAD + "1\t9\t17\tseizures\tDisease\tD1\n", allow_misplaced=True)

    assert document.mentions == ()
    assert document.misplaced == (3,)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (HEAD + "1\t9\t17\tseizures\tDisease\tD1\n", "line 3: its text differs from the document's at its offsets"),
        (HEAD + "1\t8\t99\tseizures\tDisease\tD1\n", "line 3: its offsets do not fit the text of 36 characters"),
        (HEAD + "1\t16\t8\tseizures\tDisease\tD1\n", "line 3: its offsets do not fit"),
        (HEAD + "1\t8.0\t16\tseizures\tDisease\tD1\n", "line 3: is neither a mention"),
        (HEAD + "1\t8\t16\tseizures\n", "line 3: is neither a mention"),
        (HEAD + "2\t8\t16\tseizures\tDisease\tD1\n", "line 3: belongs to another document"),
        (HEAD + "\n" + HEAD, "line 4: its document id stands twice"),
        ("1|a|Zqx\n", "line 1: a document must begin with"),
        ("Zqx\n", "line 1: a document must begin with"),
    ],
)
def test_a_broken_line_is_refused_by_number_without_its_text(tmp_path: Path, text: str, rule: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(tmp_path, text)

    assert rule in str(caught.value)
    assert "Zqx" not in str(caught.value) and "seizures" not in str(caught.value)


@pytest.mark.skipif(not CORPUS.exists(), reason="the CDR corpus is not here")
def test_the_cdr_test_set_has_its_published_size() -> None:
    documents = list(read_pubtator(RawFiles(CORPUS), CORPUS / "CDR_TestSet.PubTator.txt.gz"))

    assert len(documents) == 500
    assert sum(len(document.mentions) for document in documents) == 9809
    assert sum(len(document.relations) for document in documents) == 1066


def sentences(text: str, whole: list[tuple[int, int]] | None = None) -> list[str]:
    return [text[start:end] for start, end in sentences_in(text, whole or [])]


def test_sentences_end_at_full_stops_and_line_breaks() -> None:
    assert sentences("No fever. BP 3.5 ok?  Yes.\nPlan:\n\nrest (now.) Then go") == [
        "No fever.",
        "BP 3.5 ok?",
        "Yes.",
        "Plan:",
        "rest (now.)",
        "Then go",
    ]


def test_abbreviations_end_no_sentence() -> None:
    assert sentences("Seen by Dr. Wu. J. Doe vs. A. Roe.") == ["Seen by Dr. Wu.", "J. Doe vs. A. Roe."]


def test_no_sentence_cuts_an_entity() -> None:
    assert sentences("Took vit. D. Slept.", [(5, 11)]) == ["Took vit. D. Slept."]
    assert sentences("Took vit. B12. Slept.", [(5, 13)]) == ["Took vit. B12.", "Slept."]


def test_blank_text_has_no_sentences() -> None:
    assert sentences(" \n ") == []


def test_words_are_runs_of_letters_and_single_marks() -> None:
    text = "x 0.5 mg/kg"

    assert [text[start:end] for start, end in words_in(text, 2, 11)] == ["0", ".", "5", "mg", "/", "kg"]
