"""The process of a program that `python -m ctracemalloc run` traces, from its start to the report.

cli/run.py makes the settings and replaces itself by the program; _startup/boot.py calls begin.py in the program's process.
"""
