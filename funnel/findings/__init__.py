"""What runs found out about documents: recorded with its provenance, stored, recalled."""
