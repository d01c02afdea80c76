"""Reports as text for people.

Model: functions give lists of lines and print nothing. What the lines may look like (width, colours, characters) is the
Style's (style.py), and whatever comes from a program goes through it. A report is a head of a few facts and a table.
"""
