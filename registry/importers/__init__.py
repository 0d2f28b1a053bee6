"""Readers of what others wrote: each returns statements or checked files, and records nothing."""
