"""From a query to ranked documents: analysis, scope, retrievers, fusion."""
