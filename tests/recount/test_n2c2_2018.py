"""The second parser of n2c2 2018 says of every example what the builder says, also of odd notes nobody planted."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.data.checks import labels_of
from clinpeft.recount import n2c2_2018 as second
from clinpeft.recount import parser_of
from clinpeft.sources._wrapped_notes import sentences_in_note
from clinpeft.sources.base import RawFiles
from clinpeft.sources.n2c2_2018 import N2c22018
from clinpeft.tasks.base import TASKS, BuildLog
from clinpeft.tasks.n2c2_2018_ade import windows_of

GOLDEN = Path(__file__).resolve().parents[1] / "golden/n2c2-2018-ade/in"
SETTINGS = [
    ("n2c2-2018-ade", {}),
    ("n2c2-2018-ade", {"max_words": 20}),
    ("n2c2-2018-ade-relations", {}),
    ("n2c2-2018-ade-relations", {"max_distance": 0}),
    ("n2c2-2018-ade-relations", {"max_distance": 3}),
]
PIECES = ["Dr.", "e.g.", "A.", "12.", "2.5", "- ", "(3)", "Plan:", "ok", "No.", '"No."', "x" * 30, "!", "?)", "5"]
GAPS = [" ", "  ", "\n", "\n ", "\r\n", "\n\n", ". ", ".\n", "\x0c\n", "\n\x0c", "\n \n"]


@pytest.fixture(scope="module")
def invented(tmp_path_factory):
    folder = tmp_path_factory.mktemp("n2c2-2018")
    N2c22018().synthesize(folder, num_patients=30, seed=5)
    return folder


def built(name, options, folder):
    task = TASKS.get(name)(**options)
    examples = task.examples(RawFiles(folder), BuildLog())
    return {one.example: (tuple(sorted(labels_of(one, task.kind))), one.text) for one in examples}


def recounted(name, options, folder):
    settings = TASKS.get(name)(**options).model_dump(mode="json")
    found = list(second.recount(name, folder, settings))
    assert len({one.example for one in found}) == len(found)
    return {one.example: (one.labels, one.text) for one in found}


@pytest.mark.parametrize(("name", "options"), SETTINGS)
def test_both_agree_on_the_golden_files(name, options):
    assert recounted(name, options, GOLDEN) == built(name, options, GOLDEN)


@pytest.mark.parametrize(("name", "options"), SETTINGS)
def test_both_agree_on_invented_archives(name, options, invented):
    assert recounted(name, options, invented) == built(name, options, invented) != {}


@st.composite
def odd_notes(draw):
    """A note of awkward pieces, and stretches of it that begin and end with something to see."""
    parts = draw(st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(GAPS)), max_size=14))
    text = "".join(piece + gap for piece, gap in parts)
    seen = [index for index, sign in enumerate(text) if not sign.isspace()]
    if not seen:
        return text, []
    ends = draw(st.lists(st.tuples(st.sampled_from(seen), st.sampled_from(seen)), max_size=3))
    return text, [(min(pair), max(pair) + 1) for pair in ends]


@given(odd_notes())
def test_both_find_the_same_sentences(note):
    text, places = note
    mentions = [second._Mention(number, "Drug", *place) for number, place in enumerate(places)]
    assert list(second._sentences(second._Note("1", text, mentions))) == sentences_in_note(text, places)


@given(odd_notes(), st.integers(1, 9))
def test_both_cut_the_same_windows(note, max_words):
    text, places = note
    mentions = [second._Mention(number, "Drug", *place) for number, place in enumerate(places)]
    found = [one.text for one in second._windows(second._Note("1", text, mentions), max_words)]
    assert found == [text[start:end] for start, end in windows_of(text, mentions, max_words)]


def test_it_shares_no_code_with_the_builder():
    tree = ast.parse(Path(second.__file__).read_text(encoding="utf-8"))
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = {name for name in imported if name and name.startswith("clinpeft")}
    assert ours == {"clinpeft.recount", "clinpeft.recount._release_files"}
    assert parser_of("n2c2-2018") is second.recount
