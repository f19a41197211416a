"""Named steps of a write at which a test injects a fault: a crash, a full disk; does nothing unless armed.

At each step the files differ from those at the step before. The test's own function decides what happens.
"""

from __future__ import annotations

from collections.abc import Callable

STEPS = frozenset({
    "lock.held", "lock.named", "lock.free",
    "catalog.schema", "catalog.begun", "catalog.commit", "catalog.committed", "catalog.vacuum",
    "catalog.scrubbed",
    "lexical.cleared", "lexical.commit", "lexical.committed", "lexical.merged",
    "latent.save", "latent.saved", "latent.synced", "latent.recorded", "latent.pruned",
    "vectors.put", "vectors.forget", "vectors.scrubbed",
    "dense.cleared", "dense.write", "dense.written", "dense.synced", "dense.manifest", "dense.named",
    "dense.pruned",
    "backup.copied", "backup.packed", "backup.named", "restore.unpacked", "restore.checked", "restore.named",
})  # fmt: skip
"""All steps, so that a test can show that it covers each of them."""

_observer: Callable[[str], None] | None = None


def step(name: str) -> None:
    """Report that the process has reached the step `name`."""
    if _observer is not None:
        _observer(name)


def arm(observer: Callable[[str], None] | None) -> None:
    """Call `observer` at every step from now on; disarm if it is None."""
    global _observer  # noqa: PLW0603  # the alternative is an argument in every signature
    _observer = observer
