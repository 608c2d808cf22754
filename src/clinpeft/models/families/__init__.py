"""One architecture per file: the module names that methods touch, as data."""
