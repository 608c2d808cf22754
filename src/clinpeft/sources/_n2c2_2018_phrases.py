"""The sentences of the invented n2c2 2018 discharge summaries.

A slot is a type of entity, with the number of the drug that it belongs to: `{Drug0}` is the first drug, `{Strength0}`
its strength. An attribute with `x` for the number belongs to no drug of the sentence.
"""

from __future__ import annotations

HISTORY = (
    "The patient was started on {Drug0} {Strength0} {Route0} {Frequency0} for {Reason0}.",
    "He had been taking {Drug0} for {Reason0} and {Drug1} for {Reason1} at home.",
    "She developed {ADE0} after {Drug0}, which was stopped on the second hospital day.",
    "{Drug0} was held because of {ADE0} and {Drug1} {Strength1} was given instead.",
    "{Reason0} was treated with {Drug0} {Route0} {Duration0}.",
    "Her {Reason0} improved on {Drug0} {Strength0} {Frequency0} without further complaints.",
    "There was concern for {ADE0} from {Drug0}, so the dose of {Drug1} was kept low.",
    "He was given {Dosage0} of {Drug0} {Route0} with good effect.",
    "She reports {Reasonx}, but no {Drug0} was given this time.",
    "{Drug0} {Strength0} {Form0} was continued {Duration0}.",
    "The patient was admitted with shortness of breath and was seen by the team on call.",
    "Blood cultures remained negative and the patient was transferred to the floor.",
    "Dr. [**Last Name (STitle) 1234**] was called and agreed with the plan as outlined above.",
    "His family was at the bedside and all questions were answered.",
)
MEDICATIONS = (
    "{Drug0} {Strength0} {Form0} Sig: {Dosage0} {Form0} {Route0} {Frequency0}.",
    "{Drug0} {Strength0} {Form0} Sig: {Dosage0} {Route0} {Frequency0} {Duration0}.",
    "{Drug0} {Strength0} {Form0} Sig: {Dosage0} {Form0} {Route0} {Frequency0} as needed for {Reason0}.",
    "{Drug0} {Strength0} {Route0} {Frequency0}.",
)
HEADINGS = ("History of Present Illness:", "Brief Hospital Course:")
LAST_HEADING = "Discharge Medications:"

TERMS = {
    "Drug": (
        *("warfarin", "Aspirin", "Metoprolol Tartrate", "lisinopril", "Vancomycin", "prednisone", "Furosemide"),
        *("heparin", "Levofloxacin", "insulin glargine", "Atorvastatin", "morphine sulfate", "Omeprazole", "senna"),
        *("amiodarone", "Oxycodone-Acetaminophen", "digoxin", "Potassium Chloride", "albuterol", "Gabapentin"),
    ),
    "Strength": ("5 mg", "81 mg", "12.5 mg", "500 mg", "1 gram", "40mg", "100 unit/mL", "0.5 %", "20 mEq"),
    "Form": ("Tablet", "Capsule", "Tablet, Delayed Release (E.C.)", "Solution", "Tablet, Chewable", "Suspension"),
    "Frequency": (
        "DAILY (Daily)",
        "twice a day",
        "Q6H (every 6 hours)",
        "BID",
        "at bedtime",
        "every other day",
        "once",
    ),
    "Route": ("PO", "by mouth", "IV", "Injection", "Subcutaneous", "Inhalation"),
    "Dosage": ("One (1)", "Two (2)", "1-2", "half a", "0.5 (one half)", "three"),
    "Reason": (
        *("atrial fibrillation", "pneumonia", "chest pain", "hypertension", "urinary tract infection", "anxiety"),
        *("severe low back pain", "heart failure", "wheezing", "constipation", "diabetes", "deep vein thrombosis"),
    ),
    "ADE": (
        *("a diffuse rash", "acute renal failure", "bleeding", "nausea", "hypoglycemia", "altered mental status"),
        *("diarrhea", "thrombocytopenia", "bradycardia", "lethargy", "elevated INR", "orthostatic hypotension"),
    ),
    "Duration": ("for 7 days", "for two weeks", "x 10 days", "for a total of six weeks", "for the next month"),
}
FLIPS = {
    "Strength": "Dosage",
    "Dosage": "Strength",
    "Form": "Route",
    "Route": "Form",
    "Frequency": "Duration",
    "Duration": "Frequency",
    "Reason": "ADE",
    "ADE": "Reason",
}
"""What an attribute is called where the annotation goes against the wording."""
