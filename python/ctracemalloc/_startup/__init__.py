"""What the interpreter runs before the program's first line: a front door, which nothing imports.

`ctracemalloc.pth` in site-packages calls boot.py. Where that file is not installed, the folder `pythonpath` is put on
PYTHONPATH, whose sitecustomize does the same.
"""
