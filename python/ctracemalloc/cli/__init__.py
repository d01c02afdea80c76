"""The command line: an entry point, which no other module imports. Each command has one file.

Model: each command is a module with add(), which adds the command's parser, and execute(), which returns the exit status.
"""
