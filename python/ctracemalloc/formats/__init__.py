"""File formats: which kind of file it is, zstd, the standard module's dumps, and which files a command may write."""
