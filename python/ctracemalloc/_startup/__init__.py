"""What the interpreter runs before the program's first line: an entry point, which no other module imports.

`ctracemalloc.pth` in site-packages calls boot.py. Where that file is not installed, the launcher puts the folder
`pythonpath` on PYTHONPATH; its sitecustomize calls boot.py too.
"""
