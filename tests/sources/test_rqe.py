"""RQE's XML: flat pairs only, and nothing that XML could smuggle in."""

from __future__ import annotations

from pathlib import Path

import pytest

from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles
from clinpeft.sources.rqe import TEST, read_question_pairs

PAIR = '<pair pid="1" type="t" value="true">\n<chq>\n  Is 5 &lt; 6?\n</chq>\n<faq>Why?</faq>\n</pair>\n'


def raw_with(folder: Path, body: str, prologue: str = "") -> RawFiles:
    (folder / TEST).write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n{prologue}<RQE>\n{body}</RQE>\n')
    return RawFiles(folder)


def refusal(folder: Path, body: str, prologue: str = "") -> str:
    with pytest.raises(BadInput) as caught:
        list(read_question_pairs(raw_with(folder, body, prologue), TEST))
    assert "secret" not in str(caught.value)
    return str(caught.value)


def test_a_pair_is_read_with_its_line_and_stripped_questions(tmp_path: Path) -> None:
    (pair,) = read_question_pairs(raw_with(tmp_path, PAIR), TEST)
    assert (pair.line, pair.id, pair.is_entailed, pair.chq, pair.faq) == (3, "1", True, "Is 5 < 6?", "Why?")
    assert "Why" not in repr(pair)


def test_an_empty_question_is_left_to_the_task(tmp_path: Path) -> None:
    (pair,) = read_question_pairs(raw_with(tmp_path, PAIR.replace("Why?", " \n")), TEST)
    assert pair.faq == ""


@pytest.mark.parametrize(
    "prologue",
    [
        '<!DOCTYPE RQE SYSTEM "secret.dtd">\n',
        '<!DOCTYPE RQE [<!ENTITY a "secret"><!ENTITY b "&a;&a;&a;">]>\n',
        '<!DOCTYPE RQE [<!ENTITY x SYSTEM "file:///etc/hostname">]>\n',
    ],
)
def test_a_document_type_is_refused_before_any_entity_is_read(tmp_path: Path, prologue: str) -> None:
    assert "line 2: declares a document type" in refusal(tmp_path, PAIR, prologue)


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ('value="true"', 'value="secret"', "line 3: pair needs pid and a value"),
        ('pid="1" ', "", "line 3: pair needs pid and a value"),
        ("<faq>Why?</faq>\n", "", "line 3: pair needs one chq and one faq"),
        ("<faq>Why?</faq>", "<faq>Why?</faq><faq>secret</faq>", "line 7: holds an element out of place"),
        ("Why?", "<b>secret</b>", "line 7: holds an element out of place"),
        ("Why?", "&secret;", "line 7: is not valid XML"),
        ("</faq>", "</chq>", "line 7: is not valid XML"),
    ],
)
def test_a_broken_pair_is_refused_by_its_line(tmp_path: Path, good: str, bad: str, message: str) -> None:
    assert message in refusal(tmp_path, PAIR.replace(good, bad))


def test_a_pid_given_twice_is_refused(tmp_path: Path) -> None:
    assert "line 9: repeats a pid" in refusal(tmp_path, PAIR + PAIR)
