"""What a run tells of itself: events, trace files, telemetry, the page."""
