#!/usr/bin/env python3
"""Measures what the live view costs: `ctracemalloc top` on a program with many rows, four looks a second.

Model: three processes. The program (this file, with --program) has so many source lines with live blocks and allocates at a
thousand of them in turn, all the time; it prints how much processor time a round takes. The view runs in a pseudo-terminal of
200x50 for some seconds; its processor time is the kernel's count of the process. Rounds are timed with and without a view, in
turn, so that other load meets both.

usage: live.py [--python PATH] [--rows N] [--seconds N] [--interval SECONDS]     PATH: has the package and textual
"""

import argparse
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

ROUNDS = 5
SLICES = 10  # of a round, each timed
SECOND_LINE = b"\x1b[2;1H"
TICKS = os.sysconf("SC_CLK_TCK")


def program(rows, box):
    import ctracemalloc
    from scale_part import make_heap

    ctracemalloc.start(1, black_box=box)
    held, fill = make_heap(rows, 10 * rows, 1)  # held: the blocks stay
    fill()
    from scale_part import compile_function, place_in

    template = compile_function("\ndef allocate(places, row):\n    for place in places: row[place] = new(size)\n")
    functions = [place_in(template, number, 1 + 10 * number, size=100 + number) for number in range(1000)]
    print("ready", flush=True)
    places, row = list(range(10)), [None] * 10
    assert held
    for line in sys.stdin:
        begin, done, until = time.process_time(), 0, time.monotonic() + float(line)
        while time.monotonic() < until:
            for function in functions:
                function(places, row)
            done += 1
        print((time.process_time() - begin) / done, flush=True)


def processor_time(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def drain(descriptor, drawn):
    """Read what the view writes, and add up how often it draws its second line, which has the rates."""
    try:
        while output := os.read(descriptor, 1 << 16):
            drawn[0] += output.count(SECOND_LINE)
    except OSError:
        pass


def start_view(python, box, interval, drawn):
    pid, terminal = pty.fork()
    if not pid:
        os.environ["TERM"] = "xterm-256color"
        os.execv(python, [python, "-m", "ctracemalloc", "top", box, "--interval", str(interval), "-k", "lineno"])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    threading.Thread(target=drain, args=(terminal, drawn), daemon=True).start()
    return pid


def ask(process, seconds):
    process.stdin.write(f"{seconds}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def fastest(process, seconds):
    return min(ask(process, seconds / SLICES) for _ in range(SLICES))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--interval", type=float, default=0.25)
    parser.add_argument("--program", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.program:
        return program(options.rows, options.program)
    box = os.path.join(tempfile.mkdtemp(), "live.box")
    command = [options.python, __file__, "--rows", str(options.rows), "--program", box]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        without, beside, shares, looks, drawn = [], [], [], [], [0]
        for _ in range(ROUNDS):
            without.append(fastest(process, options.seconds))
            view = start_view(options.python, box, options.interval, drawn)
            time.sleep(2)
            begin, before, drawn[0] = time.monotonic(), processor_time(view), 0
            beside.append(fastest(process, options.seconds))
            seconds = time.monotonic() - begin
            shares.append((processor_time(view) - before) / seconds)
            looks.append(drawn[0] / seconds)
            os.kill(view, signal.SIGKILL)
            os.waitpid(view, 0)
        process.stdin.close()
    os.unlink(box)
    print("| what | measured |\n|---|---|")
    view = f"the view, {options.rows:,} rows, a look each {options.interval:g} s"
    print(f"| {view} | {100 * min(shares):.1f} to {100 * max(shares):.1f} % of a core |")
    print(f"| looks a second | {min(looks):.1f} to {max(looks):.1f} |")
    print(f"| a round of the program, no view | {1e3 * min(without):.2f} ms of processor time |")
    print(f"| the same beside the view | {1e3 * min(beside):.2f} ms |")
    return None


if __name__ == "__main__":
    main()
