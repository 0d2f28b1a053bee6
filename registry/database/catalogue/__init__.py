"""What a database says of its tables and guards, compared with what this software would make."""
