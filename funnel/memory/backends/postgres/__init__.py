"""`postgresql://`: a memory in the tables of a PostgreSQL database."""
