"""What reports are made of: numbers only. render makes texts of them.

Model: functions here take what the public API gives (snapshots, recordings) and give tuples of numbers, frames and
tracebacks. No string here is made of a number.
"""
