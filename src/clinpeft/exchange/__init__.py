"""Results in other programs' formats, there and back."""
