"""The options `--as` and `--where`: who asks, and which documents are searched; knows no command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from funnel.asker import Asker
    from indexes import Filter
    from indexes.scope import Statistics

SHARED_HELP = "Let others read what is created, as the umask says; otherwise only you may."
AS_HELP = "Ask as this principal, like alice or group:legal; may be repeated.  [default: the owner]"
WHERE_HELP = """Only documents with such metadata, as JSON: '{"year": {"gte": 2020}, "lang": "en"}'."""

STATISTICS_HELP = "What scores depend on: collection, or visible: only what the asker may read."


def statistics(name: str | None) -> Statistics:
    """Return the statistics of this name; those of the collection if it is None. Raises: `UnknownName`."""
    from indexes.scope import COLLECTION, check_statistics

    check_statistics(name or COLLECTION)
    return cast("Statistics", name or COLLECTION)


def asker(principals: Sequence[str]) -> Asker:
    """Return the asker with these principals; the owner if none is named."""
    from funnel.asker import Asker

    return Asker.of(*principals) if principals else Asker.owner()


def where(text: str | None) -> Filter | None:
    """Parse a filter from JSON; None if `text` is None. Raises: `BadFilter`."""
    from indexes import parse_filter
    from indexes.errors import BadFilter

    if text is None:
        return None
    try:
        form = json.loads(text)
    except ValueError as exc:
        raise BadFilter(f"{text[:60]!r} is not JSON ({exc})") from exc
    except RecursionError as exc:
        raise BadFilter("is nested too deeply") from exc
    return parse_filter(form)
