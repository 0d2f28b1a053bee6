"""Pictures: drawn from records and arrays, without a database; imported only when one is drawn."""
