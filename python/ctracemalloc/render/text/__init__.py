"""Reports as text for people.

Model: the functions return lists of lines and print nothing. A Style (style.py) has the properties of the output (width,
colours, characters), and every text of a program is passed through it. A report is a few facts and a table.
"""
