"""One task per file: its card, and how examples are made from a source."""
