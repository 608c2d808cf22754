"""The sentences of the invented i2b2 2012 documents.

`{p}` is a problem, `{t}` a treatment, `{e}` a test (an examination), `{d}` a department, `{v}` what somebody said or
found, `{o}` what happened.
"""

from __future__ import annotations

from clinpeft.sources._i2b2_2010_phrases import MODIFIERS, TERMS

TEMPLATES = (
    "The patient was {o} to {d} with {p} and {p} .",
    "She {v} {p} on the day before {o} .",
    "{e} {v} {p} without further change .",
    "He was {o} to {d} after {t} .",
    "{t} was {o} because of {p} .",
    "The family {v} {p} since the last visit .",
    "In {d} he received {t} for {p} .",
    "{e} in {d} was notable for {p} .",
    "He was {o} home on {t} in good condition .",
    "{e} and {e} {v} no {p} .",
    "Her {p} resolved after {t} .",
    "{d} was consulted and {v} {t} .",
    "The patient {v} {p} but refused {t} .",
    "Repeat {e} after {t} {v} {p} .",
    "She was {o} and then {o} from {d} .",
)
PLAIN = (
    "HISTORY OF PRESENT ILLNESS :",
    "HOSPITAL COURSE :",
    "He lives with his wife and works as a school teacher .",
    "Please call the office with any questions or concerns .",
    "The plan was agreed with everyone .",
)
TYPES = {
    "p": "PROBLEM",
    "t": "TREATMENT",
    "e": "TEST",
    "d": "CLINICAL_DEPT",
    "v": "EVIDENTIAL",
    "o": "OCCURRENCE",
}
WORDS = {
    "p": (MODIFIERS["problem"], TERMS["problem"]),
    "t": (MODIFIERS["treatment"], TERMS["treatment"]),
    "e": (MODIFIERS["test"], TERMS["test"]),
    "d": (
        ("", "the"),
        ("emergency room", "intensive care unit", "medical floor", "cardiology service", "surgical ward", "clinic"),
    ),
    "v": (("",), ("showed", "revealed", "reported", "denied", "demonstrated", "complained of", "noted")),
    "o": (("",), ("admitted", "transferred", "discharged", "brought", "started", "stopped", "sent", "taken")),
}
"""Modifiers and terms by slot."""
