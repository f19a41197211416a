"""CPython in bubblewrap: `host` drives it and trusts nothing, `guest` runs inside and is not trusted."""
