"""From raw rows to batches: build and card (no torch), then tokenize and batch."""
