"""File formats: the kind of a file, zstd, the standard module's dumps, and which files a command may write."""
