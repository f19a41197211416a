"""Parts for funnel from outside, by entry points alone."""
