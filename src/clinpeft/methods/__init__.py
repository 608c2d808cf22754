"""One fine-tuning method per file."""
