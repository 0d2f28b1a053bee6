"""Writers: each makes outputs from a resolution and the store, and knows no database."""
