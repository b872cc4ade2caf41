"""An organization as a file: read, compared with what there is, brought about in one transaction, and written out again."""
