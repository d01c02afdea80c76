"""Black boxes: the tables of a program that runs, or was killed, in a file.

Model: start(black_box=PATH) puts the tracer's tables into a shared mapping of a file (docs/formats/black-box.md), so whatever
ends the process, the file holds them as they were. writing.py is the side of the process that is traced, reading.py that of
whoever looks, folder.py says where a black box is if no path was given, finding.py finds that of a process.
"""
