"""The words of the invented MIMIC-III notes. `a|b` are alternatives; in a sentence they stand in braces.

Many wordings of few ideas: after some hundred admissions most words have been seen once or twice, so that counting
words does not go far, while a model that knows which words are alike needs few examples.
"""

from __future__ import annotations

import random
import re

_CHOICE = re.compile(r"\{([^{}]*)\}")


def say(rng: random.Random, phrase: str) -> str:
    """The phrase with every `{a|b|c}` replaced by one alternative."""
    return _CHOICE.sub(lambda choice: rng.choice(choice[1].split("|")), phrase)


COMPLAINTS = (
    *("weakness", "transfer from outside hospital", "not feeling well", "pain", "fatigue", "referred for evaluation"),
    *("brought in by family", "sent from clinic", "fall", "nausea", "change in condition", "swelling", "discomfort"),
)
GRAVE: dict[str, str] = {
    "0389": "septic shock|overwhelming sepsis|gram negative bacteremia|toxic shock|meningococcemia|gas gangrene",
    "51881": "respiratory failure|ARDS|respiratory arrest|massive aspiration|agonal breathing|hypoxemia",
    "4275": "cardiac arrest|asystole|ventricular fibrillation|pulseless electrical activity|loss of pulse",
    "78551": "cardiogenic shock|pump failure|massive infarction|papillary rupture|tamponade|left main occlusion",
    "431": "intracerebral hemorrhage|brainstem bleed|ruptured aneurysm|uncal herniation|massive stroke|cerebral edema",
    "4413": "ruptured aorta|aortic dissection|exsanguination|hemothorax|retroperitoneal hemorrhage",
    "4560": "variceal hemorrhage|torrential hematemesis|hemorrhagic shock|uncontrolled bleeding|arterial spurting",
    "5724": "hepatorenal syndrome|fulminant liver failure|hepatic coma|multiorgan failure|shock liver|encephalopathy",
    "5845": "anuria|profound acidosis|critical hyperkalemia|uremic coma|renal shutdown|crush kidney",
    "5570": "dead bowel|bowel infarction|gangrenous colon|feculent peritonitis|perforated viscus|necrotic pancreas",
    "8600": "flail chest|crushed pelvis|penetrating head wound|shattered liver|extensive burns|severed artery",
}
LIGHT: dict[str, str] = {
    "84500": "sprained ankle|wrist fracture|bruised rib|shoulder strain|torn meniscus|mild whiplash|tennis elbow",
    "71536": "planned knee replacement|hip resurfacing|bunion removal|carpal tunnel release|arthroscopy",
    "57410": "elective gallbladder removal|hernia repair|hemorrhoid banding|lipoma excision|polyp removal",
    "4660": "bronchitis|common cold|sore throat|sinus congestion|hay fever|dry cough|ear infection|tonsillitis",
    "5990": "bladder infection|simple cystitis|burning urination|small kidney stone|overactive bladder",
    "6826": "insect bite|small abscess|mild cellulitis|hives|contact rash|ingrown nail|sunburn",
    "78659": "muscular chest pain|heartburn|anxiety attack|benign palpitations|costochondritis|hiccups",
    "4359": "fainting spell|vertigo|tension headache|migraine|brief numbness|motion sickness",
    "5789": "scant rectal bleeding|mild gastritis|indigestion|constipation|stomach flu|food poisoning",
    "2765": "mild dehydration|heat exhaustion|missed meals|poor sleep|leg cramps",
    "V4501": "pacemaker check|catheter exchange|dose adjustment|scheduled infusion|allergy testing|sleep study",
}
"""Conditions at presentation, by ICD-9 code."""
PROCEDURES_OF: dict[str, tuple[str, ...]] = {
    "0389": ("3893", "9604"),
    "51881": ("9604", "9671"),
    "4275": ("9604", "3893"),
    "78551": ("3761", "3722"),
    "431": ("0139", "9604"),
    "4413": ("3844", "9904"),
    "4560": ("4513", "9904"),
    "5845": ("3995", "3895"),
    "8600": ("3404", "8659"),
    "57410": ("5123",),
    "78659": ("3722",),
    "5789": ("4513",),
}

WORSENING = (
    "comatose|unresponsive|obtunded|pulseless|moribund|gasping|ashen|mottled|cyanotic|posturing|flaccid|in extremis"
    "|near death|dying|crashing|collapsing|deteriorating|sinking fast|declining hourly|failing every therapy"
    "|on three pressors|on maximal support|on ECMO|proned and paralyzed|intubated in the field|dialysis at bedside"
    "|lactate climbing|organs shutting down|pupils fixed|EEG flat|no corneal reflexes|pressure unobtainable"
    "|family called in|chaplain paged|last rites given|grim prognosis|survival unlikely|too unstable for surgery"
    "|arrested again|bleeding everywhere|massive transfusion|oxygen falling|brain death suspected|beyond rescue"
)
UNDECIDED = (
    "labs sent|imaging ordered|admitted for monitoring|seen by the team|records requested|consults pending|fluids given"
    "|home medicines continued|history from the chart|interpreter used|heparin started|telemetry ordered"
)
IMPROVING = (
    "cheerful|joking with staff|smiling|talkative|well appearing|comfortable|pink and warm|breathing easily|afebrile"
    "|hungry|eating breakfast|walking unaided|strolling the ward|up in a chair|reading the paper|watching television"
    "|asks to go home|ready for discharge|recovering nicely|healing well|stronger every day|back to baseline"
    "|pain relieved|symptoms resolved|exam normal|scan clean|bloodwork reassuring|vitals stable|slept soundly"
    "|on room air|lines removed|off monitors|observation only|kept as a precaution|in good spirits|no complaints"
    "|full recovery expected|excellent progress|plans to return to work|independent|grateful and relieved"
)

FRAIL: dict[str, str] = {
    "1983": "metastatic lung cancer|terminal pancreatic cancer|brain metastases|inoperable tumor|hospice referral",
    "5712": "decompensated cirrhosis|end stage liver disease|alcoholic hepatitis|refractory ascites",
    "20500": "relapsed leukemia|refractory lymphoma|failed bone marrow transplant|blast crisis",
    "4280": "end stage heart failure|severe cardiomyopathy|ejection fraction of 10|inotrope dependence",
    "2900": "advanced dementia|bedbound state|nursing home residence|severe frailty|cachexia",
    "042": "AIDS|profound immunosuppression|chronic neutropenia",
    "4928": "oxygen dependent emphysema|end stage lung fibrosis|tracheostomy dependence",
}
ROBUST: dict[str, str] = {
    "V1582": "no past illness|no chronic disease|excellent health|regular exercise|marathon running|clean record",
    "4019": "controlled hypertension|borderline sugars|diet controlled diabetes",
    "53081": "seasonal allergies|mild reflux|occasional migraines|lactose intolerance",
    "49390": "childhood asthma|remote appendectomy|old knee injury",
    "2449": "treated hypothyroidism|mild gout|mild anxiety",
    "2724": "osteoarthritis|high cholesterol|cataracts|hearing aids",
}

FRAMES = (
    "[age]{ yo| year old|-year-old} [sex] with [background], {admitted with|presenting with} [reasons]. [courses].",
    "[age]{ yo| year old} [sex], [background]. {Came in with|Admitted for} [reasons]. [courses].",
    "{A pleasant|This} [age] year old [sex], {history of|PMH} [background], {here with|now with} [reasons]. [courses].",
    "[sex], [age], [background]; {found to have|brought in for} [reasons]. [courses].",
)
"""What stands in square brackets is filled in."""

ALLERGIES = ("No Known Allergies / Adverse Drug Reactions", "{Penicillins|Sulfonamides|Codeine|Latex|Aspirin}", "NKDA")
HISTORIES = ("tonsillectomy", "cholecystectomy", "hearing loss", "glaucoma", "eczema", "sciatica", "nephrolithiasis")
HOME_MEDICINES = ("Lisinopril 10 mg daily", "Metformin 500 mg BID", "Aspirin 81 mg daily", "Omeprazole 20 mg", "None")
EXAMS = (
    "{T 98.4|Tmax 99.1}, HR {88|94|102}. {Heart regular|S1 S2}. {Abdomen soft|Bowel sounds present}.",
    "{HEENT normal|Sclera anicteric}. {No rash|Skin dry}. {No edema|1+ ankle edema}.",
)
FAMILY = (
    "{Mother|Sister} with {breast cancer|diabetes}.",
    "{Father|Brother} had {a stroke|an MI} at {50|61|70}.",
    "Noncontributory.",
)
SOCIAL = (
    "{Retired|Former} {teacher|plumber|clerk|nurse}. {Never smoked|Quit smoking}. {No alcohol|Rare alcohol}.",
    "Lives {alone|with a spouse|with a daughter}. {Denies|No} drugs.",
)
COURSES = {
    True: "{Care was withdrawn|The heart stopped despite all efforts|Comfort measures were begun|Time of death 04:10}.",
    False: "{The patient improved|Recovery was steady}. {Discharged|Left} in {good|stable} condition.",
}
OTHER_NOTES = {
    "Radiology": "{CHEST (PORTABLE AP)|CT HEAD W/O CONTRAST}: {no acute process|low lung volumes|lines unchanged}.",
    "Nursing/other": "{Neuro: alert|Resp: coarse sounds|GI: tolerating feeds}. {Plan: continue|Will monitor}.",
    "Physician ": "{Chief complaint as above|Events: none}. {Assessment and plan unchanged|Will follow}.",
    "ECG": "{Sinus rhythm|Atrial fibrillation}. {Nonspecific ST changes|No change}.",
    "Echo": "{Normal|Mildly depressed} left ventricular function.",
}

DIAGNOSES: dict[str, tuple[str, str]] = {
    "0389": ("Septicemia NOS", "Unspecified septicemia"),
    "042": ("Human immuno virus dis", "Human immunodeficiency virus [HIV] disease"),
    "1983": ("Sec mal neo brain/spine", "Secondary malignant neoplasm of brain and spinal cord"),
    "20500": ("Ac myl leuk wo achv rmsn", "Acute myeloid leukemia, without mention of having achieved remission"),
    "2449": ("Hypothyroidism NOS", "Unspecified acquired hypothyroidism"),
    "2724": ("Hyperlipidemia NEC/NOS", "Other and unspecified hyperlipidemia"),
    "2765": ("Hypovolemia", "Volume depletion disorder"),
    "2900": ("Senile dementia uncomp", "Senile dementia, uncomplicated"),
    "4019": ("Hypertension NOS", "Unspecified essential hypertension"),
    "4275": ("Cardiac arrest", "Cardiac arrest"),
    "4280": ("CHF NOS", "Congestive heart failure, unspecified"),
    "431": ("Intracerebral hemorrhage", "Intracerebral hemorrhage"),
    "4359": ("Trans cereb ischemia NOS", "Unspecified transient cerebral ischemia"),
    "4413": ("Rupt abd aortic aneurysm", "Abdominal aneurysm, ruptured"),
    "4560": ("Esophag varices w bleed", "Esophageal varices with bleeding"),
    "4660": ("Acute bronchitis", "Acute bronchitis"),
    "4928": ("Emphysema NEC", "Other emphysema"),
    "49390": ("Asthma NOS", "Asthma, unspecified type, unspecified"),
    "51881": ("Acute respiratry failure", "Acute respiratory failure"),
    "53081": ("Esophageal reflux", "Esophageal reflux"),
    "5570": ("Ac vasc insuff intestine", "Acute vascular insufficiency of intestine"),
    "5712": ("Alcohol cirrhosis liver", "Alcoholic cirrhosis of liver"),
    "5724": ("Hepatorenal syndrome", "Hepatorenal syndrome"),
    "57410": ("Cholelith w cholecys NEC", "Calculus of gallbladder with other cholecystitis, without obstruction"),
    "5789": ("Gastrointest hemorr NOS", "Hemorrhage of gastrointestinal tract, unspecified"),
    "5845": ("Ac kidny fail, tubr necr", "Acute kidney failure with lesion of tubular necrosis"),
    "5990": ("Urin tract infection NOS", "Urinary tract infection, site not specified"),
    "6826": ("Cellulitis of leg", "Cellulitis and abscess of leg, except foot"),
    "71536": ("Loc osteoarth NOS-l/leg", "Osteoarthrosis, localized, not specified, lower leg"),
    "78551": ("Cardiogenic shock", "Cardiogenic shock"),
    "78659": ("Chest pain NEC", "Other chest pain"),
    "84500": ("Sprain of ankle NOS", "Sprain of ankle, unspecified site"),
    "8600": ("Traum pneumothorax-close", "Traumatic pneumothorax without mention of open wound into thorax"),
    "E9320": ("Adv eff corticosteroids", "Adrenal cortical steroids causing adverse effects in therapeutic use"),
    "V1582": ("History of tobacco use", "Personal history of tobacco use"),
    "V3000": ("Single lb in-hosp w/o cs", "Single liveborn, born in hospital, delivered without mention of cesarean"),
    "V3001": ("Single lb in-hosp w cs", "Single liveborn, born in hospital, delivered by cesarean section"),
    "V4501": ("Status cardiac pacemaker", "Cardiac pacemaker in situ"),
    "V4581": ("Aortocoronary bypass", "Aortocoronary bypass status"),
}
"""Short and long titles."""
PROCEDURES: dict[str, tuple[str, str]] = {
    "0066": ("PTCA", "Percutaneous transluminal coronary angioplasty [PTCA]"),
    "0139": ("Brain incision NEC", "Other incision of brain"),
    "0331": ("Spinal tap", "Spinal tap"),
    "3310": ("Lung incision", "Incision of lung"),
    "3404": ("Insert intercostal cath", "Insertion of intercostal catheter for drainage"),
    "3722": ("Left heart cardiac cath", "Left heart cardiac catheterization"),
    "3761": ("Pulsation balloon implan", "Implant of pulsation balloon"),
    "3844": ("Resect abdm aorta w repl", "Resection of vessel with replacement, aorta, abdominal"),
    "3893": ("Venous cath NEC", "Venous catheterization, not elsewhere classified"),
    "3895": ("Ven cath renal dialysis", "Venous catheterization for renal dialysis"),
    "3995": ("Hemodialysis", "Hemodialysis"),
    "4513": ("Sm bowel endoscopy NEC", "Other endoscopy of small intestine"),
    "5123": ("Lap cholecystectomy", "Laparoscopic cholecystectomy"),
    "8659": ("Skin closure NEC", "Closure of skin and subcutaneous tissue of other sites"),
    "9604": ("Insert endotracheal tube", "Insertion of endotracheal tube"),
    "9671": (
        "Cont inv mec ven <96 hrs",
        "Continuous invasive mechanical ventilation for less than 96 consecutive hours",
    ),
    "9904": ("Packed cell transfusion", "Transfusion of packed cells"),
}
