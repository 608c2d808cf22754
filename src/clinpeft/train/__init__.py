"""Training one run, measuring what it takes, and the baselines it must beat."""
