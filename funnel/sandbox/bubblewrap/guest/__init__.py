"""What runs inside the bubblewrap sandbox; imports the standard library and `funnel.sandbox.values` only."""
