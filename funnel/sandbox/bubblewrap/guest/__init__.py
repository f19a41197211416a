"""Runs inside the bubblewrap sandbox; imports only the standard library and `funnel.sandbox.values`."""
