"""BM25 whose statistics are those of the passages that the asker may read: storage, formula, retriever."""
