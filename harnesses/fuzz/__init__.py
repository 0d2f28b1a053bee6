"""Parsers of what strangers wrote, fed with anything: they answer or refuse in a sentence, and nothing else."""
