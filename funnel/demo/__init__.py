"""What `funnel demo` runs on: material that every installation already has."""
