"""What makes a run resumable: its record, who holds it, and what it paid for, by place."""

from funnel.journal.journal import Journal
from funnel.journal.record import RunRecord

__all__ = ["Journal", "RunRecord"]
