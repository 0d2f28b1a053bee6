"""Formats of exports: each writes files from a resolution and the store, without a database."""
