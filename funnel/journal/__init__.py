"""Makes runs resumable: the record of a run, the lease on it, and what it paid for, by path."""

from funnel.journal.journal import Journal
from funnel.journal.record import RunRecord

__all__ = ["Journal", "RunRecord"]
