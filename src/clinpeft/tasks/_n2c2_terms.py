"""Where the i2b2 and n2c2 corpora come from, and on what terms."""

PORTAL = "https://portal.dbmi.hms.harvard.edu/projects/n2c2-nlp/"
LICENCE = "n2c2/i2b2 data use agreement"
TERMS = (
    "n2c2/i2b2 data use agreement: research only, no re-identification, no sharing except with the named team. "
    "Also holds for what is derived from the data.",
)
