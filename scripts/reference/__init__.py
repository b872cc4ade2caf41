"""The generated reference pages: one module a page, `pages` writes and compares them, `scripts/write-reference` runs it."""
