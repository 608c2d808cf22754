"""One credentialed release or file format per file."""
