"""Which process of which machine: a bare pid says neither.

A pid is given out again, and two containers that share a home have their own processes 1, 2, 3. So
a process is its host, the boot (and, on Linux, the pid namespace) it lives in, its pid, and when it
began.
"""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """A process; ``started`` is in the system's own unit, comparable on the same boot only."""

    pid: int
    host: str = ""
    boot: str = ""
    started: str = ""

    @property
    def is_alive(self) -> bool | None:
        """Whether it still runs; None when that cannot be seen from here (another host)."""
        if self.host and self.host != this_host():
            return None
        if self.boot and self.boot != this_boot():
            return False  # this host (a container has its name) was started anew since
        if not pid_is_alive(self.pid):
            return False
        now = started(self.pid)
        return not (self.started and now and self.started != now)


def this_process() -> Process:
    """The process that asks."""
    pid = os.getpid()
    return Process(pid, this_host(), this_boot(), started(pid))


def this_host() -> str:
    """The host's name; a container's own unless it shares its host's."""
    return socket.gethostname()


def this_boot() -> str:
    """Which start of the host this is; empty where the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink().name}"
    except OSError:
        return ""


def started(pid: int) -> str:
    """When a process began, in ticks since the boot; empty where the system does not tell."""
    fields = _stat(pid)
    return fields[19] if len(fields) > 19 else ""


def started_at(pid: int) -> float | None:
    """When a process began, in seconds since 1970; None where the system does not tell."""
    ticks = started(pid)
    if not ticks:
        return None
    try:
        lines = Path("/proc/stat").read_text("ascii").splitlines()
    except OSError:
        return None
    boot = next((line.split()[1] for line in lines if line.startswith("btime")), None)
    return int(boot) + int(ticks) / os.sysconf("SC_CLK_TCK") if boot else None


def pid_is_alive(pid: int) -> bool:
    """Whether ``pid`` names a process here that still runs; a zombie does not."""
    if sys.platform == "linux":
        fields = _stat(pid)
        return bool(fields) and fields[0] not in {"Z", "X"}
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _stat(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` behind the name, which may hold blanks itself."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
