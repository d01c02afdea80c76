"""Snapshots and recordings in the formats of other tools, one file a format.

Model: selected.py selects what is exported; a module of a format makes its bytes, in pieces, and writes no file. Formats that
have a traceback for each row take the columns of the call tree, and those that tell block sizes and labels apart the sites.
Nothing here is a part of `import ctracemalloc`, and nothing needs a package of others but arrow.py.
"""
