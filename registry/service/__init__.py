"""The read-only service: answers over HTTP, each pinned by its URL to a sealed revision."""
