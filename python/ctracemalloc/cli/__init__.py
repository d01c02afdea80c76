"""The command line: a front door, which nothing imports. One file a command.

Model: each command is a module with add(), which gives the command its parser, and execute(), which gives the exit status.
"""
