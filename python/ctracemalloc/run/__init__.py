"""A program that `python -m ctracemalloc run` traces: what goes on inside its process, from its start to the report.

cli/run.py makes the settings and becomes the program, _startup/boot.py calls begin.py there.
"""
