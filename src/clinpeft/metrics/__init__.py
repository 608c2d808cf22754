"""One metric per file, pure functions on arrays; intervals by bootstrap over subjects."""
