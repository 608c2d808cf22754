"""How many parameters a method trains on a model, from the configuration alone."""
