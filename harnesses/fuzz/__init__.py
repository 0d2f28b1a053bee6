"""Feed the parsers of untrusted files and texts with arbitrary bytes: they return a value or raise RegistryError."""
