"""Look-ups: what is recorded, and what is valid when, as of a revision. Nothing here writes."""
