"""How long a process' loop is away from the kernel's queue of events: the kernel's own tracepoints of epoll_wait, so
neither the process nor its metrics are asked. Root only. A turn is from the end of one wait to the begin of the
next, with all in it: work, system calls, and the time the thread was runnable but another one ran. Two tests at
once need names of their own."""
import pathlib
import re

TRACING = pathlib.Path("/sys/kernel/tracing/instances")
BUFFER_KIB = 16384  # for each core; some 100,000 turns
LINE = re.compile(r"-(\d+) +\[\d+\].*? (\d+\.\d+): sys_epoll_p?wait(\(| -> )")


class Turns:
    """Between start() and stop(): lengths in seconds of the turns of all threads called `comm`, and of them those of the
    thread that took most turns, the busiest node's loop. (The kernel knows threads by other numbers than a namespace.)
    Nothing is read before stop(), or reading would take the node's time."""

    def __init__(self, comm="weft"):
        self.comm = comm
        self.lost = 0
        self.dir = TRACING / f"{comm}-turns"

    def _events(self):
        return [self.dir / "events" / "syscalls" / f"sys_{at}_{call}"
                for call in ("epoll_wait", "epoll_pwait") for at in ("enter", "exit")]

    def start(self):
        self.dir.mkdir(exist_ok=True)
        (self.dir / "buffer_size_kb").write_text(str(BUFFER_KIB))
        (self.dir / "trace").write_text("")
        for event in self._events():
            (event / "filter").write_text(f'comm == "{self.comm}"')
            (event / "enable").write_text("1")
        return self

    def stop(self):
        """The lengths in order of size; `lost` says how many events the kernel had no room for."""
        for event in self._events():
            (event / "enable").write_text("0")
        lengths, ended = {}, {}
        with open(self.dir / "trace") as lines:
            for line in lines:
                found = LINE.search(line)
                if found is None:
                    continue
                tid, at = int(found.group(1)), float(found.group(2))
                if found.group(3) == " -> ":
                    ended[tid] = at
                elif tid in ended:
                    lengths.setdefault(tid, []).append(at - ended.pop(tid))
        for stats in (self.dir / "per_cpu").glob("cpu*/stats"):
            self.lost += sum(int(n) for n in re.findall(r"(?:overrun|dropped events): (\d+)", stats.read_text()))
        self.dir.rmdir()
        return sorted(max(lengths.values(), key=len, default=[]))
