"""What a run reports: events, trace files, telemetry, the page."""
