"""How records lie in files that are not JSON lines: tables and lines of text, row by row."""
