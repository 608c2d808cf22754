"""Which small language model should you fine-tune on your clinical text, how, and what will it cost?

from clinpeft import Study, run
outcome = run("study.yaml", out="my-study", data="datasets")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clinpeft.no_hub_kernels import keep_out

if TYPE_CHECKING:
    from clinpeft.api import plan, results, run
    from clinpeft.spec import Study

__all__ = ["Study", "plan", "results", "run"]
__version__ = "0.1.0"

keep_out()  # Before anything of ours, or a plug-in's, imports peft.


def __getattr__(name: str) -> Any:
    """The library's names, imported when first used: `clinpeft list` needs none of them."""
    if name == "Study":
        from clinpeft.spec import Study

        return Study
    if name in {"plan", "run", "results"}:
        import clinpeft.api

        return getattr(clinpeft.api, name)
    raise AttributeError(f"module 'clinpeft' has no attribute {name!r}")
