"""The database of a registry: its transactions, how it is made, upgraded, copied and closed, and who may use it."""
