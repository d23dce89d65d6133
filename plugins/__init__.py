"""Creance's own plugins: one capability a file. They are found by entry point, exactly as a stranger's are."""
