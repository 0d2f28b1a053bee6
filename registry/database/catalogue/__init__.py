"""The tables and guards of a database as its catalogue has them, compared with what this software would make."""
