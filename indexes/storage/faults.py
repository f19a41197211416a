"""Named steps of a write at which a test lets the process die or the disk fill; idle unless a test arms it.

Each step is one after which the files differ from before. What happens there is the test's own function.
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
"""Every step, so that a test can show that it has been at each of them."""

_react: Callable[[str], None] | None = None


def step(name: str) -> None:
    """The process has come to the step `name`."""
    if _react is not None:
        _react(name)


def arm(react: Callable[[str], None] | None) -> None:
    """Call `react` at every step from now on; None disarms."""
    global _react  # noqa: PLW0603  # one process, one observer; an argument would run through every signature
    _react = react
