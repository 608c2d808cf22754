"""From a study to its runs, and from a run to its record."""
