"""Questions: what is known, what is valid when, as of which revision. Nothing here writes."""
