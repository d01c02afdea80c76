"""Black boxes: the tables of a program that runs, or was killed, in a file.

Model: start(black_box=PATH) puts the tracer's tables into a shared mapping of a file (docs/formats/black-box.md). The file
holds their state after any end of the process. writing.py belongs to the process that is traced, reading.py to a process that
reads. folder.py has the default path of a black box, finding.py finds the black box of a process.
"""
