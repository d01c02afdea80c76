"""Files of other tools as snapshots: each reader gives the sites of its file to tables.py.

Model: a reader takes the bytes of a file (memray's takes its path) and returns Tables. What is wrong with the file is a
ValueError with a reason, to which the caller adds the file's name.
"""
