"""The catalogue, the families and loading: from a name to a backbone with a head."""
