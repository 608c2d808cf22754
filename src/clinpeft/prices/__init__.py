"""Dated price lists as YAML, and what an hour of a machine comes to. Money is worked out when asked, never stored."""
