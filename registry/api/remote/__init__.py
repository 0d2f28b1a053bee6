"""A registry behind a service: the same nouns and methods, answered over HTTP as of one pinned revision."""
