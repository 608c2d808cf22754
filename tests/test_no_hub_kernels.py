"""bitsandbytes asks no hub for code while it is imported, whoever imports it, and does not complain of that."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

KERNELS = """
import pathlib
def get_kernel(name, version):
    pathlib.Path(__file__).with_name("asked").write_text(name)
    raise OSError("no network")
"""
BITSANDBYTES = """
import logging
try:
    from kernels import get_kernel
    get_kernel("kernels-community/quantization-bitsandbytes", version=1)
except Exception as error:
    logging.getLogger("bitsandbytes.backends.cpu.ops").warning("Failed to load: %s", error)
logging.getLogger("bitsandbytes.cextension").error("cannot work")
"""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder to import from, with a package `kernels` that notes when a hub is asked for code."""
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "__init__.py").write_text(KERNELS, encoding="utf-8")
    return tmp_path


def python(packages: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A fresh Python that nobody has told to stay offline."""
    inherited = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    environment = {**inherited, "PYTHONPATH": str(packages)}
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, env=environment)


def asked(packages: Path) -> bool:
    return (packages / "kernels" / "asked").exists()


@pytest.fixture
def packages_with_bitsandbytes(packages: Path) -> Path:
    """And with a bitsandbytes that behaves as the real one does on a CPU with bf16."""
    (packages / "bitsandbytes.py").write_text(BITSANDBYTES, encoding="utf-8")
    return packages


def test_without_clinpeft_bitsandbytes_asks_a_hub(packages_with_bitsandbytes: Path) -> None:
    done = python(packages_with_bitsandbytes, "-c", "import bitsandbytes")

    assert asked(packages_with_bitsandbytes)
    assert done.stderr == "Failed to load: no network\ncannot work\n"


def test_with_clinpeft_it_asks_nobody_and_only_its_errors_are_heard(packages_with_bitsandbytes: Path) -> None:
    done = python(packages_with_bitsandbytes, "-c", "import clinpeft, bitsandbytes")

    assert not asked(packages_with_bitsandbytes)
    assert (done.returncode, done.stderr) == (0, "cannot work\n")


@pytest.mark.parametrize("first", ["", "import kernels"])
def test_afterwards_all_is_as_it_was(first: str, packages_with_bitsandbytes: Path) -> None:
    lines = [
        "import logging, clinpeft",
        first,
        "import bitsandbytes, kernels",
        "assert kernels.get_kernel",
        "assert logging.getLogger('bitsandbytes').level == logging.NOTSET",
    ]
    done = python(packages_with_bitsandbytes, "-c", "\n".join(lines))

    assert (done.returncode, done.stderr) == (0, "cannot work\n")


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="needs bitsandbytes")
@pytest.mark.parametrize(
    "words",
    [
        ("-m", "clinpeft.cli", "params", "bert-tiny", "lora"),
        ("-c", "import transformers, clinpeft, peft"),
    ],
    ids=["command line", "Python, transformers first"],
)
def test_the_real_one_asks_nobody_whatever_imports_it_first(words: tuple[str, ...], packages: Path) -> None:
    done = python(packages, *words)

    assert not asked(packages)
    assert (done.returncode, done.stderr) == (0, "")
