"""The codes of the invented MIMIC-IV: those of ICD-9 from the invented MIMIC-III, and what ICD-10 calls the same."""

from __future__ import annotations

from clinpeft.sources import _mimic3_phrases as phrases

ICD10_DIAGNOSES: dict[str, tuple[str, str]] = {
    "0389": ("A419", "Sepsis, unspecified organism"),
    "042": ("B20", "Human immunodeficiency virus [HIV] disease"),
    "1983": ("C7931", "Secondary malignant neoplasm of brain"),
    "20500": ("C9200", "Acute myeloblastic leukemia, not having achieved remission"),
    "2449": ("E039", "Hypothyroidism, unspecified"),
    "2724": ("E785", "Hyperlipidemia, unspecified"),
    "2765": ("E869", "Volume depletion, unspecified"),
    "2900": ("F0390", "Unspecified dementia without behavioral disturbance"),
    "4019": ("I10", "Essential (primary) hypertension"),
    "4275": ("I469", "Cardiac arrest, cause unspecified"),
    "4280": ("I509", "Heart failure, unspecified"),
    "431": ("I619", "Nontraumatic intracerebral hemorrhage, unspecified"),
    "4359": ("G459", "Transient cerebral ischemic attack, unspecified"),
    "4413": ("I713", "Abdominal aortic aneurysm, ruptured"),
    "4560": ("I8501", "Esophageal varices with bleeding"),
    "4660": ("J209", "Acute bronchitis, unspecified"),
    "4928": ("J439", "Emphysema, unspecified"),
    "49390": ("J45909", "Unspecified asthma, uncomplicated"),
    "51881": ("J9600", "Acute respiratory failure, unspecified whether with hypoxia or hypercapnia"),
    "53081": ("K219", "Gastro-esophageal reflux disease without esophagitis"),
    "5570": ("K550", "Acute vascular disorders of intestine"),
    "5712": ("K7030", "Alcoholic cirrhosis of liver without ascites"),
    "5724": ("K767", "Hepatorenal syndrome"),
    "57410": ("K8010", "Calculus of gallbladder with chronic cholecystitis without obstruction"),
    "5789": ("K922", "Gastrointestinal hemorrhage, unspecified"),
    "5845": ("N170", "Acute kidney failure with tubular necrosis"),
    "5990": ("N390", "Urinary tract infection, site not specified"),
    "6826": ("L03119", "Cellulitis of unspecified part of limb"),
    "71536": ("M1710", "Unilateral primary osteoarthritis, unspecified knee"),
    "78551": ("R570", "Cardiogenic shock"),
    "78659": ("R0789", "Other chest pain"),
    "84500": ("S93409A", "Sprain of unspecified ligament of unspecified ankle, initial encounter"),
    "8600": ("S270XXA", "Traumatic pneumothorax, initial encounter"),
    "E9320": ("T380X5A", "Adverse effect of glucocorticoids and synthetic analogues, initial encounter"),
    "V1582": ("Z87891", "Personal history of nicotine dependence"),
    "V4501": ("Z950", "Presence of cardiac pacemaker"),
    "V4581": ("Z951", "Presence of aortocoronary bypass graft"),
}
"""By the code of ICD-9: the code of ICD-10-CM and its title."""
ICD10_PROCEDURES: dict[str, tuple[str, str]] = {
    "0139": ("00C00ZZ", "Extirpation of Matter from Brain, Open Approach"),
    "3404": ("0W9930Z", "Drainage of Right Pleural Cavity with Drainage Device, Percutaneous Approach"),
    "3722": ("4A023N7", "Measurement of Cardiac Sampling and Pressure, Left Heart, Percutaneous Approach"),
    "3761": ("5A02210", "Assistance with Cardiac Output using Balloon Pump, Continuous"),
    "3844": ("04R00JZ", "Replacement of Abdominal Aorta with Synthetic Substitute, Open Approach"),
    "3893": ("02HV33Z", "Insertion of Infusion Device into Superior Vena Cava, Percutaneous Approach"),
    "3895": ("06HM33Z", "Insertion of Infusion Device into Right Femoral Vein, Percutaneous Approach"),
    "3995": ("5A1D00Z", "Performance of Urinary Filtration, Single"),
    "4513": ("0DJ08ZZ", "Inspection of Upper Intestinal Tract, Via Natural or Artificial Opening Endoscopic"),
    "5123": ("0FT44ZZ", "Resection of Gallbladder, Percutaneous Endoscopic Approach"),
    "8659": ("0HQ0XZZ", "Repair Scalp Skin, External Approach"),
    "9604": ("0BH17EZ", "Insertion of Endotracheal Airway into Trachea, Via Natural or Artificial Opening"),
    "9671": ("5A1935Z", "Respiratory Ventilation, Less than 24 Consecutive Hours"),
    "9904": ("30233N1", "Transfusion of Nonautologous Red Blood Cells into Peripheral Vein, Percutaneous Approach"),
}
"""The same for procedures, in ICD-10-PCS."""


def diagnosis(code: str, version: int) -> str:
    """What a code of ICD-9 is called in that version."""
    return code if version == 9 else ICD10_DIAGNOSES[code][0]


def procedure(code: str, version: int) -> str:
    """The same for a procedure."""
    return code if version == 9 else ICD10_PROCEDURES[code][0]


def titles(of_icd9: dict[str, tuple[str, str]], of_icd10: dict[str, tuple[str, str]]) -> list[tuple[str, int, str]]:
    """A dictionary of codes as rows: code, version, title, sorted as released."""
    rows = [(code, 9, long) for code, (_, long) in of_icd9.items()]
    return sorted([*rows, *((code, 10, title) for code, title in of_icd10.values())])


def diagnosis_titles() -> list[tuple[str, int, str]]:
    """The rows of d_icd_diagnoses."""
    return titles(phrases.DIAGNOSES, ICD10_DIAGNOSES)


def procedure_titles() -> list[tuple[str, int, str]]:
    """The rows of d_icd_procedures."""
    return titles(phrases.PROCEDURES, ICD10_PROCEDURES)
