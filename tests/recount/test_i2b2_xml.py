"""i2b2 2012 and 2014: builder and second parser, which share no code, name the same entities on every line."""

import ast
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinpeft.errors import BadInput
from clinpeft.recount import _marked_xml, i2b2_2012, i2b2_2014, parser_of
from clinpeft.sources.base import RawFiles
from clinpeft.sources.i2b2_2012 import TRAINING, I2b22012
from clinpeft.sources.i2b2_2014 import SET1, I2b22014
from clinpeft.tasks.base import BuildLog
from clinpeft.tasks.i2b2_2012_events import I2b22012Events
from clinpeft.tasks.i2b2_2014_deid import I2b22014Deid

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
TASKS = {"i2b2-2012-events": (I2b22012Events, I2b22012, 60), "i2b2-2014-deid": (I2b22014Deid, I2b22014, 20)}
PIECES = ["a", "B1", "12", ".", "\u2019", "\U0001f600", "&", "&apos;", "&amp;", " ", "  ", "\n", "\r\n", "\n\n", "and"]


def built(name: str, folder: Path, mode: str) -> dict[str, tuple[object, ...]]:
    from clinpeft.data.spans import spans_from_tags

    found = {}
    for example in TASKS[name][0](mode=mode).examples(RawFiles(folder), BuildLog()):
        spans = example.spans or spans_from_tags(example.starts, example.ends, example.tags)
        places = tuple((span.start, span.end, span.label) for span in spans)
        found[example.example] = tuple(sorted(span.label for span in spans)), example.text, places
    return found


def recounted(name: str, folder: Path, mode: str) -> dict[str, tuple[object, ...]]:
    parser = parser_of(name.rpartition("-")[0])
    assert parser is not None
    return {item.example: (item.labels, item.text, item.spans) for item in parser(name, folder, {"mode": mode})}


@pytest.mark.parametrize("mode", ["correct", "paper"])
@pytest.mark.parametrize("name", TASKS)
def test_both_agree_on_the_golden_files(name, mode):
    assert recounted(name, GOLDEN / name / "in", mode) == built(name, GOLDEN / name / "in", mode)


@pytest.mark.parametrize("mode", ["correct", "paper"])
@pytest.mark.parametrize("name", TASKS)
def test_both_agree_on_invented_archives(tmp_path, name, mode):
    _, source, num_patients = TASKS[name]
    source().synthesize(tmp_path, num_patients=num_patients, seed=5)
    examples = built(name, tmp_path, mode)
    assert recounted(name, tmp_path, mode) == examples
    assert sum(len(labels) for labels, *_ in examples.values()) > 500


def test_both_agree_on_the_hipaa_subset(tmp_path):
    I2b22014().synthesize(tmp_path, num_patients=20, seed=5)
    task = I2b22014Deid(types="hipaa")
    parser = parser_of("i2b2-2014")
    found = {one.example: one.labels for one in parser("i2b2-2014-deid", tmp_path, task.model_dump(mode="json"))}
    examples = list(task.examples(RawFiles(tmp_path), BuildLog()))
    assert found == {one.example: tuple(sorted(span.label for span in one.spans)) for one in examples}


@st.composite
def notes(draw):
    """A note and tags, most of them true, some off by a few characters, some nowhere."""
    pieces = draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=25))
    plain = [piece.replace("\r\n", "\n") for piece in pieces]
    tags = []
    for _ in range(draw(st.integers(0, 5))):
        first = draw(st.integers(0, len(pieces) - 1))
        last = draw(st.integers(first, len(pieces) - 1))
        start, end = len("".join(plain[:first])), len("".join(plain[: last + 1]))
        shift = draw(st.sampled_from([0, 0, 0, 0, 2, -3, 7]))
        words = "".join(plain[first : last + 1]).replace("&apos;", "'").replace("&amp;", "&")
        tags.append((max(0, start + shift), max(0, start + shift) + end - start, words, draw(st.integers(0, 2))))
    return "".join(pieces), tags


def document(root: str, text: str, rows: list[str]) -> bytes:
    tags = "\n".join(rows)
    return f"<{root}>\n<TEXT><![CDATA[{text}]]></TEXT>\n<TAGS>\n{tags}\n</TAGS>\n</{root}>\n".encode()


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("'", "&apos;")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {name: tmp_path_factory.mktemp(name) for name in TASKS}


@given(notes(), st.sampled_from(["correct", "paper"]))
@settings(max_examples=150)
def test_both_agree_on_any_event(folders, note, mode):
    text, tags = note
    rows = [
        f'<EVENT start="{start}" end="{end}" text="{escaped(words)}" type="{["PROBLEM", "TEST", ""][kind]}" />'
        for start, end, words, kind in tags
    ]
    path = folders["i2b2-2012-events"] / TRAINING / "7.xml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(document("ClinicalNarrativeTemporalAnnotation", text, rows))
    agree("i2b2-2012-events", folders["i2b2-2012-events"], mode)


@given(notes(), st.sampled_from(["correct", "paper"]))
@settings(max_examples=150)
def test_both_agree_on_any_identifier(folders, note, mode):
    text, tags = note
    rows = [
        f'<PHI start="{start}" end="{end}" text="{escaped(words)}" TYPE="{["DATE", "LOCATION-OTHER", "ROOM"][kind]}" />'
        for start, end, words, kind in tags
    ]
    path = folders["i2b2-2014-deid"] / SET1 / "110-01.xml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(document("deIdi2b2", text, rows))
    agree("i2b2-2014-deid", folders["i2b2-2014-deid"], mode)


def agree(name: str, folder: Path, mode: str) -> None:
    try:
        examples = built(name, folder, mode)
    except BadInput as error:
        assert "is empty" in str(error) or "beyond the text" in str(error)
        return
    assert recounted(name, folder, mode) == examples


@pytest.mark.parametrize("module", [_marked_xml, i2b2_2012, i2b2_2014])
def test_they_share_no_code_with_the_builders(module):
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    assert all(name.startswith("clinpeft.recount") for name in imported if name.startswith("clinpeft"))
