"""From the records of a study to tables, a Pareto front, a recommendation and one HTML page."""
