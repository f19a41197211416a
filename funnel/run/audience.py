"""The audience of a funnel: the askers it was built for, and what they may read; knows no run."""

from __future__ import annotations

from funnel.asker import LOCAL, Asker
from funnel.errors import BadQuestion
from indexes.filters import Filter
from indexes.scope import COLLECTION, Statistics
from indexes.source import Documents, Source

_NOBODY = (
    "No asker is named. Build the funnel over the documents of one asker, as in "
    "build(collection.as_owner()), or name the asker of this question: Options(asker=Asker.of('alice'))."
)
_SOMEBODY_ELSE = (
    "The funnel was built over the documents of another asker. Build it over the source itself to answer "
    "several askers."
)


class Audience:
    """A source, and the askers who may ask about its documents.

    A funnel over a `Source` answers whoever each question names. One over `Documents` answers that view's
    asker within that view's filter; if it is the owner's, a question may also name any other asker.
    """

    def __init__(self, documents: Source | Documents) -> None:
        self._asker: Asker | None = None
        self._where: Filter | None = None
        self._statistics: Statistics = COLLECTION
        if isinstance(documents, Documents):
            self._asker = Asker(LOCAL, documents.scope.access)
            self._where = documents.scope.where
            self._statistics = documents.scope.statistics
        self.source = documents.source if isinstance(documents, Documents) else documents

    def resolve(self, asker: Asker | None) -> Asker:
        """Return the asker of a question that names `asker`, or that names nobody if this is None.

        Raises: `BadQuestion` if no asker is known, or the funnel was not built for this one.
        """
        if asker is None:
            if self._asker is None:
                raise BadQuestion(_NOBODY)
            return self._asker
        if self._asker is not None and not self._asker.may_see(asker.access):
            raise BadQuestion(_SOMEBODY_ELSE)
        return asker

    def narrow(self, where: Filter | None) -> Filter | None:
        """Return the filter of a question, or of a run that is resumed, combined with that of the funnel."""
        if self._where is None or where is None or where == self._where:
            return where if self._where is None else self._where
        return self._where & where

    def statistics(self, asked: Statistics) -> Statistics:
        """Return what a run's scores may depend on: the stricter of what it and the funnel ask for."""
        return asked if self._statistics == COLLECTION else self._statistics
