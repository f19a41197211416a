"""The documents and notes that one run keeps in a memory, with grep and search over them."""
