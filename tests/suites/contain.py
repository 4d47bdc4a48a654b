#!/usr/bin/env python3
"""contain.py CONTROL SECONDS COMMAND…: runs a command such that nothing of it outlives it.

Whatever the command leaves behind becomes a child of this process (it is a subreaper) and is killed when the command
ends, when SECONDS have passed, or when the other end of the pipe CONTROL (a descriptor number) is closed, however that
came about. Exit status: the command's; 128 + n if signal n ended it; TIME_IS_UP, STOPPED, or TROUBLE: not started.
"""
import ctypes
import os
import select
import signal
import sys
import time
import traceback

TROUBLE = 123
TIME_IS_UP = 124
STOPPED = 125
PR_SET_CHILD_SUBREAPER = 36


def children():
    """Processes whose parent this process is."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.append(int(name))
    return found


def kill_all():
    """Kills the children, then those that thereby become children, until none is left."""
    while True:
        for child in children():
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def main():
    control, seconds, command = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    os.set_inheritable(control, False)
    main_child = os.posix_spawnp(command[0], command, os.environ, setsid=True, setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
    deadline = time.monotonic() + seconds
    result = None
    while result is None:
        ready, _, _ = select.select([wake_read, control], [], [], max(0, deadline - time.monotonic()))
        if control in ready:
            result = STOPPED
        elif not ready:
            result = TIME_IS_UP
        else:
            os.read(wake_read, 4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid == main_child and result is None:
                code = os.waitstatus_to_exitcode(status)
                result = code if code >= 0 else 128 - code
    kill_all()
    sys.exit(result)


if __name__ == "__main__":
    try:
        main()
    except Exception:
        traceback.print_exc()
        sys.exit(TROUBLE)
