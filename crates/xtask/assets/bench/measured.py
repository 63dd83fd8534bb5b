"""Runs a program and writes down what it took: measured.py <result> <seconds> <program> ...

Time is the wall's. Processor time and memory are the kernel's (wait4, getrusage(2)): of the
program and of all that it has waited for; memory is the most that any one of them had.
"""

import ctypes
import json
import os
import signal
import sys
import time

result, limit, *command = sys.argv[1:]


def leave_with_parent():
    # PR_SET_PDEATHSIG: nothing goes on running when the benchmark is broken off.
    if hasattr(ctypes.CDLL(None), "prctl"):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


leave_with_parent()
begun = time.monotonic()
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    leave_with_parent()
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"cannot start {command[0]}: {error}", file=sys.stderr)
        os._exit(127)

timed_out = False


def give_up(_signal, _frame):
    global timed_out
    timed_out = True
    os.killpg(child, signal.SIGKILL)


signal.signal(signal.SIGALRM, give_up)
signal.alarm(int(limit))
_, status, usage = os.wait4(child, 0)
wall = time.monotonic() - begun
signal.alarm(0)
# Linux counts KiB, macOS bytes.
peak = usage.ru_maxrss if sys.platform != "darwin" else usage.ru_maxrss // 1024
with open(result, "w") as out:
    json.dump(
        {
            "wall": wall,
            "user": usage.ru_utime,
            "system": usage.ru_stime,
            "peak_kib": peak,
            "code": os.waitstatus_to_exitcode(status),
            "timed_out": timed_out,
        },
        out,
    )
