"""The reports of a run: events, trace files, telemetry, the page."""
