"""Stage one: a hybrid index over documents; knows nothing of language models and is useful alone."""
