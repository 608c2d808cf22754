"""ChemProt by sentence: marks come out of the text, and the places they marked stay right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles
from clinpeft.sources.chemprot import FILES, read_pairs, without_marks

words = st.text(st.characters(exclude_characters="<>[]", exclude_categories=["Cs"]), min_size=1)


def cut(text: str, places: tuple[int, int]) -> str:
    return text[slice(*places)]


@given(st.tuples(words, words, words), words, words, st.booleans())
def test_taking_marks_out_gives_the_sentence_and_the_marked_words(
    around: tuple[str, str, str], head: str, tail: str, is_head_first: bool
) -> None:
    marked, plain = [f"<< {head} >>", f"[[ {tail} ]]"], [head, tail]
    order = (0, 1) if is_head_first else (1, 0)
    sentence = around[0] + marked[order[0]] + around[1] + marked[order[1]] + around[2]
    text, head_place, tail_place = without_marks(sentence, "line 1")
    assert text == around[0] + plain[order[0]] + around[1] + plain[order[1]] + around[2]
    assert (cut(text, head_place), cut(text, tail_place)) == (head, tail)


@pytest.mark.parametrize(
    ("sentence", "text", "head", "tail"),
    [
        ("<< R >>, [[ [3H]SR 14 ]] (2-x)", "R, [3H]SR 14 (2-x)", "R", "[3H]SR 14"),
        ("<< a-[2-[[2-b]c]d >> or [[ e ]].", "a-[2-[[2-b]c]d or e.", "a-[2-[[2-b]c]d", "e"),
        ("potency [[ x ]]>>y at << R >>", "potency x>>y at R", "R", "x"),
        ("<< P >>: a >> [[ b ]] >> c", "P: a >> b >> c", "P", "b"),
    ],
)
def test_brackets_of_chemical_names_and_orders_of_potency_are_no_marks(
    sentence: str, text: str, head: str, tail: str
) -> None:
    found, head_place, tail_place = without_marks(sentence, "line 1")
    assert (found, cut(found, head_place), cut(found, tail_place)) == (text, head, tail)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ('{"text": "secret', "is no JSON object"),
        ('["secret"]', "is no JSON object"),
        (json.dumps({"text": "<< secret >> [[ b ]]", "label": None}), "must be words"),
        (json.dumps({"text": "secret [[ b ]]", "label": "AGONIST"}), "holds 0 marks of the head"),
        (json.dumps({"text": "<< secret >> [[ b ]] [[ c ]]", "label": "AGONIST"}), "holds 2 marks of the tail"),
        (json.dumps({"text": "<< secret [[ b >> c ]]", "label": "AGONIST"}), "overlap"),
    ],
)
def test_a_broken_line_is_refused_by_its_number(tmp_path: Path, line: str, rule: str) -> None:
    whole = json.dumps({"text": "<< a >> [[ b ]]", "label": "AGONIST", "metadata": []})
    (tmp_path / FILES["validation"]).write_text(f"{whole}\n\n{line}\n")
    with pytest.raises(BadInput, match=rf"dev\.jsonl: line 3: .*{rule}") as caught:
        list(read_pairs(RawFiles(tmp_path), "validation"))
    assert "secret" not in str(caught.value)
