"""The namespaces of a memory and what each is for; the only place that forms them. Knows no values.

<tenant>/run/<run>                                  record, journal, notes, answer of a run
<tenant>/document/<id>/<version>                    the pages of a document version
<tenant>/cache/<rights>                             completions
<tenant>/learnt/<rights>[/<id>/<version>]           findings
<tenant>/ledger/<name>                              what a job or an owner may spend
"""

from __future__ import annotations

from funnel.asker import Asker
from funnel.memory.base import Namespace, namespace


def runs(asker: Asker) -> Namespace:
    """Return the beginning of the namespaces of all runs of the asker's tenant; it holds no values itself."""
    return namespace(asker.tenant, "run")


def run(asker: Asker, name: str) -> Namespace:
    """Return the namespace of one run."""
    return namespace(asker.tenant, "run", name)


def document(asker: Asker, document_id: str, version: str) -> Namespace:
    """Return the namespace of the pages of a document version, shared by the runs of a tenant."""
    return namespace(asker.tenant, "document", document_id, version)


def completions(asker: Asker) -> Namespace:
    """Return the namespace of completions for askers with these rights."""
    return namespace(asker.tenant, "cache", asker.rights)


def findings(asker: Asker, *version: str) -> Namespace:
    """Return the namespace of findings for askers with these rights.

    `version`: the id and version of a document, for findings about it; empty for all other findings.
    """
    return namespace(asker.tenant, "learnt", asker.rights, *version)


def ledger(asker: Asker, name: str) -> Namespace:
    """Return the namespace of a ledger of the asker's tenant."""
    return namespace(asker.tenant, "ledger", name)
