"""Where everything is kept in a memory: the one place that forms namespaces; knows nothing of what is kept.

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
    """The beginning of the namespace of every run of the asker's tenant; nothing is kept there itself."""
    return namespace(asker.tenant, "run")


def run(asker: Asker, name: str) -> Namespace:
    """What one run stores."""
    return namespace(asker.tenant, "run", name)


def document(asker: Asker, document_id: str, version: str) -> Namespace:
    """The pages of a document version, shared by the runs of a tenant."""
    return namespace(asker.tenant, "document", document_id, version)


def completions(asker: Asker) -> Namespace:
    """Completions for askers of these rights."""
    return namespace(asker.tenant, "cache", asker.rights)


def findings(asker: Asker, *version: str) -> Namespace:
    """Findings for askers of these rights: about one document version (its id and version), or the rest."""
    return namespace(asker.tenant, "learnt", asker.rights, *version)


def ledger(asker: Asker, name: str) -> Namespace:
    """The ledger of that name, of the asker's tenant."""
    return namespace(asker.tenant, "ledger", name)
