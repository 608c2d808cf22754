"""The sentences of the invented i2b2/VA 2010 documents.

A template's words are tokens. `{p:present}` is a problem with its assertion, `{t}` a treatment, `{e}` a test (an
examination). Relations name two of these by their position in the template, in the order of the challenge: the
treatment, the test or the first problem comes first.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of sentence; `relations` are (first, relation, second)."""

    words: str
    relations: tuple[tuple[int, str, int], ...] = ()


TEMPLATES: tuple[Template, ...] = (
    Template("The patient was admitted with {p:present} and {p:present} .", ((0, "PIP", 1),)),
    Template("He presented with {p:present} , likely secondary to {p:possible} .", ((0, "PIP", 1),)),
    Template("She was started on {t} for {p:present} with good effect .", ((0, "TrIP", 1),)),
    Template("{t} was given for {p:present} on the second hospital day .", ((0, "TrAP", 1),)),
    Template("He received {t} because of {p:present} in the emergency room .", ((0, "TrAP", 1),)),
    Template("{p:present} worsened despite {t} over the weekend .", ((1, "TrWP", 0),)),
    Template("{t} was complicated by {p:present} on day three .", ((0, "TrCP", 1),)),
    Template("{t} was held in the setting of {p:present} .", ((0, "TrNAP", 1),)),
    Template("{e} revealed {p:present} without further change .", ((0, "TeRP", 1),)),
    Template("{e} on admission was notable for {p:present} .", ((0, "TeRP", 1),)),
    Template("{e} was obtained to evaluate {p:possible} this morning .", ((0, "TeCP", 1),)),
    Template("{e} and {e} showed no {p:absent} .", ((0, "TeRP", 2), (1, "TeRP", 2))),
    Template("He denies {p:absent} , {p:absent} or {p:absent} at this time ."),
    Template("There was no evidence of {p:absent} on {e} .", ((1, "TeRP", 0),)),
    Template("Return to the hospital if you notice {p:hypothetical} or {p:hypothetical} ."),
    Template("Her mother had {p:associated_with_someone_else} at the age of 60 ."),
    Template("He gets {p:conditional} when climbing more than one flight of stairs ."),
    Template("She is allergic to {t} , which causes {p:conditional} .", ((0, "TrCP", 1),)),
    Template("Repeat {e} is scheduled for next week as an outpatient ."),
    Template("She tolerated {t} well and was discharged home in good condition ."),
    Template("The family asked about {t} but decided to wait ."),
    Template("Consult recommended {e} and {t} prior to discharge ."),
    Template("Past medical history : {p:present} , {p:present} , {p:present} ."),
    Template("Plan : continue {t} , follow {e} daily ."),
    Template("Presumed {p:possible} was treated with {t} for ten days .", ((1, "TrAP", 0),)),
    Template("After {t} the {p:present} resolved within two days .", ((0, "TrIP", 1),)),
)
PLAIN = (
    "The patient was seen by the attending and the plan was agreed .",
    "He lives with his wife and works as a school teacher .",
    "Please call the office with any questions or concerns .",
    "She was transferred to the floor in the evening in stable condition .",
    "HOSPITAL COURSE :",
    "Discharge Date : [**2110-03-04**]",
    "Follow up with your primary care doctor in two weeks .",
)

MODIFIERS = {
    "problem": ("", "", "", "acute", "chronic", "mild", "severe", "worsening", "recurrent", "left sided", "diffuse"),
    "treatment": ("", "", "", "", "intravenous", "low dose", "daily", "oral", "a course of"),
    "test": ("", "", "", "", "serial", "an urgent", "repeat", "a bedside", "a"),
}
TERMS = {
    "problem": (
        *("chest pain", "shortness of breath", "atrial fibrillation", "pneumonia", "abdominal pain", "anemia", "fever"),
        *(
            "hypotension",
            "renal failure",
            "pleural effusion",
            "nausea",
            "vomiting",
            "urinary tract infection",
            "sepsis",
        ),
        *("diabetes", "hypertension", "stroke", "seizures", "melena", "confusion", "lower extremity edema", "dyspnea"),
        *(
            "deep venous thrombosis",
            "pulmonary embolism",
            "cirrhosis",
            "ascites",
            "hypokalemia",
            "leukocytosis",
            "rash",
        ),
        *("headache", "dizziness", "heart failure", "a small hematoma", "an old infarct", "pancreatitis", "gout"),
        *("wound infection", "bradycardia", "hematuria", "a compression fracture", "cough", "diarrhea", "cellulitis"),
    ),
    "treatment": (
        *(
            "lasix",
            "heparin",
            "coumadin",
            "aspirin",
            "metoprolol",
            "vancomycin",
            "levofloxacin",
            "insulin",
            "prednisone",
        ),
        *("a blood transfusion", "physical therapy", "hemodialysis", "coronary artery bypass grafting", "albuterol"),
        *("nebulizers", "morphine", "tylenol", "lisinopril", "an appendectomy", "chemotherapy", "radiation therapy"),
        *("amiodarone", "a pacemaker", "intubation", "antibiotics", "ceftriaxone", "dopamine", "oxygen", "potassium"),
        *("a chest tube", "percutaneous drainage", "thoracentesis", "cardioversion", "a hip replacement", "diuresis"),
    ),
    "test": (
        *("chest x-ray", "ct of the abdomen", "echocardiogram", "ekg", "blood cultures", "urinalysis", "hematocrit"),
        *("creatinine", "white blood cell count", "troponin", "mri of the brain", "colonoscopy", "blood pressure"),
        *("oxygen saturation", "lumbar puncture", "inr", "potassium", "glucose", "liver function tests", "biopsy"),
        *("cardiac catheterization", "ultrasound", "stress test", "abdominal exam", "vital signs", "sputum culture"),
        *("arterial blood gas", "head ct", "lipase", "telemetry", "thoracentesis", "duplex of the legs"),
    ),
}
"""Some terms are a treatment in one sentence and a test in another: the sentence decides."""
