"""What makes a run resumable: its record, who holds it, and what it paid for, by place."""

from funnel.journal.journal import Journal
from funnel.journal.record import Record

__all__ = ["Journal", "Record"]
