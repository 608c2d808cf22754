"""The second parser of i2b2/VA 2010 agrees with the builder on every example, in all modes and forms of the files."""

import ast
import random
import re
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from clinpeft import recount
from clinpeft.data.checks import labels_of
from clinpeft.data.spans import spans_from_tags
from clinpeft.recount.i2b2_2010 import recount as second_opinion
from clinpeft.sources._i2b2_2010_annotations import ASSERTIONS, CONCEPT_TYPES, RELATIONS
from clinpeft.sources.base import RawFiles
from clinpeft.sources.i2b2_2010 import ARCHIVES, I2b22010
from clinpeft.tasks.base import TASKS, BuildLog

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SETTINGS = [
    ("i2b2-2010-concepts", {}),
    ("i2b2-2010-concepts", {"mode": "paper"}),
    ("i2b2-2010-assertions", {}),
    ("i2b2-2010-assertions", {"opening": "@", "closing": "#"}),
    ("i2b2-2010-relations", {}),
    ("i2b2-2010-relations", {"pairs": "all"}),
    ("i2b2-2010-relations", {"markers": "replace"}),
    ("i2b2-2010-relations", {"mode": "paper"}),
]


@pytest.fixture(scope="module")
def invented(tmp_path_factory):
    folder = tmp_path_factory.mktemp("i2b2-2010")
    I2b22010().synthesize(folder, num_patients=40, seed=5)
    return folder


@pytest.fixture(scope="module")
def unpacked(invented, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    for archive in ARCHIVES:
        with tarfile.open(invented / f"{archive}.tar.gz") as tar:
            tar.extractall(folder, filter="data")
    return folder


def built(name, options, folder):
    """Labels and text of every example by its id."""
    task = TASKS.get(name)(**options)
    found = {}
    for example in task.examples(RawFiles(folder), BuildLog()):
        labels = labels_of(example, task.kind)
        if task.kind == "entities":
            labels = [span.label for span in spans_from_tags(example.starts, example.ends, example.tags)]
        found[example.example] = tuple(sorted(labels)), example.text
    return found


def recounted(name, options, folder):
    settings = TASKS.get(name)(**options).model_dump(mode="json")
    rows = list(second_opinion(name, folder, settings))
    assert max(Counter(row.example for row in rows).values()) == 1
    return {row.example: (row.labels, row.text) for row in rows}


@pytest.mark.parametrize(("name", "options"), SETTINGS)
def test_both_parsers_agree_on_the_golden_files_by_label_and_text(name, options):
    for golden in ("i2b2-2010-concepts", "i2b2-2010-assertions", "i2b2-2010-relations"):
        folder = GOLDEN / golden / "in"
        if golden == name or name == "i2b2-2010-concepts":
            assert recounted(name, options, folder) == built(name, options, folder)


@pytest.mark.parametrize(("name", "options"), SETTINGS)
def test_both_parsers_agree_on_an_invented_release_packed_and_unpacked(name, options, invented, unpacked):
    expected = built(name, options, invented)
    assert recounted(name, options, invented) == expected
    assert recounted(name, options, unpacked) == expected


PIECES = ("a", "B", '"', "||", "\U0001f600", "no\u00a0x", "\x0c", "\u2028z", "e\u0308", "x\x1cy")
GAPS = (" ", " ", "  ", "\t", "\u00a0", "\x0c ")


def hostile_document(rng):
    """Texts of odd words and blanks, with annotations by several rules for tokens, and some at the wrong words."""
    lines = [
        rng.choice(("", " ", "\t")) + "".join(rng.choice(PIECES) + rng.choice(GAPS) for _ in range(rng.randint(0, 6)))
        for _ in range(rng.randint(1, 5))
    ]
    marks = [mark(rng, lines) for _ in range(rng.randint(1, 6))]
    again = marks + rng.sample(marks, len(marks) // 3)
    end = rng.choice(("\n", "\r\n"))
    rows = {
        "txt": lines,
        "con": [f'{one}||t="{rng.choice(CONCEPT_TYPES)}"' for one in again],
        "ast": [f'{one}||t="problem"||a="{rng.choice(ASSERTIONS)}"' for one in again],
        "rel": [f'{rng.choice(marks)}||r="{rng.choice(sorted(RELATIONS))}"||{rng.choice(marks)}' for _ in range(4)],
    }
    return {suffix: "".join(row + end for row in of).encode() for suffix, of in rows.items()}


def mark(rng, lines):
    first = rng.randint(1, len(lines))
    last = min(len(lines), first + (rng.random() < 0.2))
    rule = rng.choice((r"[ \t]+", r"[ \t]+", r"[ \t]+", " ", r"\s+"))
    tokens = [
        (number, at, word) for number in (first, last) for at, word in enumerate(re.split(rule, lines[number - 1]))
    ]
    tokens = list(dict.fromkeys(tokens))
    start = rng.randrange(len(tokens))
    chosen = tokens[start : start + rng.randint(1, 4)]
    words = " ".join(word for *_, word in chosen).lower() if rng.random() < 0.95 else "zz"
    return f'c="{words}" {chosen[0][0]}:{chosen[0][1]} {chosen[-1][0]}:{chosen[-1][1]}'


@pytest.mark.parametrize("seed", range(8))
def test_both_parsers_agree_on_hostile_texts(seed, tmp_path):
    rng = random.Random(seed)
    for number, part in enumerate(("beth", "beth", "partners", "partners", "test", "test")):
        for suffix, content in hostile_document(rng).items():
            concepts = "concept" if part != "test" else "concepts"
            folder = ARCHIVES[0] if part != "test" else ARCHIVES[1 + (suffix == "txt")]
            kind = {"con": concepts}.get(suffix, suffix)
            path = tmp_path / folder / (part if part != "test" else "") / kind / f"n{number}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    for name, options in SETTINGS:
        assert recounted(name, options, tmp_path) == built(name, options, tmp_path)


def test_the_second_parser_shares_no_code_with_the_builders():
    tree = ast.parse(Path(recount.__file__).with_name("i2b2_2010.py").read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {module for module in modules if module.startswith("clinpeft")}
    assert ours == {"clinpeft.recount", "clinpeft.recount._release_files"}
