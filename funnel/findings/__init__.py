"""What runs learnt from documents: kept, recalled, recorded with its provenance."""
