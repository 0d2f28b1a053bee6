"""Triggers that refuse what the registry never does, also from raw SQL; all are derived from the schema's tables."""
