"""The second parser of MedNLI says of every pair what the builder says, in both modes, packed and unpacked."""

import ast
import shutil
from pathlib import Path

import pytest

from clinpeft.errors import BadInput
from clinpeft.recount import mednli as second
from clinpeft.recount import parser_of
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mednli import MedNli
from clinpeft.tasks import mednli
from clinpeft.tasks.base import BuildLog

GOLDEN = Path(__file__).resolve().parents[1] / "golden/mednli/in"


def built(folder, mode):
    examples = mednli.MedNli(mode=mode).examples(RawFiles(folder), BuildLog())
    return [(one.example, (one.label,), one.text, one.text_b) for one in examples]


def recounted(folder, mode):
    found = second.recount("mednli", folder, {"mode": mode})
    return [(one.example, one.labels, one.text, one.text_b) for one in found]


@pytest.mark.parametrize("mode", ["correct", "paper"])
def test_both_agree_on_the_golden_files(mode):
    assert recounted(GOLDEN, mode) == built(GOLDEN, mode)


@pytest.mark.parametrize("mode", ["correct", "paper"])
def test_both_agree_on_the_invented_release_packed_and_unpacked(mode, tmp_path):
    MedNli().synthesize(tmp_path / "zip", num_patients=30, seed=4)
    shutil.unpack_archive(next((tmp_path / "zip").iterdir()), tmp_path / "plain")
    found = built(tmp_path / "zip", mode)
    assert len(found) == 90
    assert recounted(tmp_path / "zip", mode) == recounted(tmp_path / "plain", mode) == found


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(BadInput, match=r"^mli_train_v1.jsonl: is not below"):
        recounted(tmp_path, "correct")


def test_it_shares_no_code_with_the_builder():
    tree = ast.parse(Path(second.__file__).read_text(encoding="utf-8"))
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = {name for name in imported if name and name.startswith("clinpeft")}
    assert ours == {"clinpeft.errors", "clinpeft.recount", "clinpeft.recount._release_files"}
    assert parser_of("mednli") is second.recount
