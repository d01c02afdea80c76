"""What the resident memory of a process (RSS) consists of: files, stacks, pymalloc's arenas, libc's heap, and the rest.

Model: everything is read from /proc/PID, of this process as of another one: which pages are resident, and the words in them
that tell what a page belongs to. The process is not stopped and does no work for it. Each resident page, and below the
arenas and the heap each resident byte, is in exactly one row; what belongs to nothing known is in the row "unexplained".

- areas: the mappings (smaps); pages: which of their pages are resident
- memory: reading the words of a process
- elf, glibc, pymalloc, stacks, owners: each finds ranges of addresses of one kind
- shares: who has which range; measure: all of them in their order, and the result
"""
