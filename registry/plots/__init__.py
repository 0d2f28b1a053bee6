"""Pictures: drawn from records and arrays, without a database, and imported only when one is asked for."""
