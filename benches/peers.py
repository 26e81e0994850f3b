"""The pools of Python in the comparison: does with one of them what it reads, and answers what that took.

    peers.py NAME WORKERS

It answers `ready VERSION` or `missing WHY`, and then a line to each line: seconds, another number, or `error WHY`.

    map FUNCTION ARGUMENT COUNT CHUNK   that many items; chunk 0 is as the pool likes
    sums LEN COUNT CHUNK                checksums of so many bytes each
    echo LEN COUNT                      that many bytes to a worker and back, one after the other
    birth                               a new pool to its first result; its end is not in the time
    death                               a task that ends its process to the next result, by a new pool if need be
    process                             a process for one call
    memory                              bytes that a process of the pool has for itself, which its end would free
    turns SECONDS                       how many turns of `spin` take so long
    end                                 ends; a forked neighbour may keep the input open

`spin` is calibrated here, so that a task lasts as long as one in Rust: compared is what the pool adds. The pools are
started by fork, as Python did on Linux when these numbers were first taken, unless their name says otherwise. A pool is
started by the first line that needs it.
"""

import contextlib
import importlib.metadata
import os
import platform
import sys
import time
import zlib

clock = time.perf_counter


def spin(turns):
    x = turns
    for _ in range(turns):
        x = (x * 5 + 1) & 0xFFFFFFFF
    return x


def wait(micros):
    time.sleep(micros / 1e6)
    return micros


def echo(data):
    return data


def leave(code):
    os._exit(code)


class Serial:
    def __init__(self, workers):
        pass

    def map(self, f, items, chunk):
        return list(map(f, items))

    def stop(self):
        pass


class Pool:
    """multiprocessing.Pool, or the pool of threads with its surface."""

    method = "fork"

    def __init__(self, workers):
        import multiprocessing

        self.pool = multiprocessing.get_context(self.method).Pool(workers)

    def map(self, f, items, chunk):
        return self.pool.map(f, items, chunk or None)

    def apply(self, f, x):
        return self.pool.apply(f, (x,))

    def stop(self):
        self.pool.terminate()
        self.pool.join()


class PoolSpawn(Pool):
    method = "spawn"


class PoolForkServer(Pool):
    method = "forkserver"


class Dummy(Pool):
    def __init__(self, workers):
        import multiprocessing.dummy

        self.pool = multiprocessing.dummy.Pool(workers)


class Executor:
    """An executor of concurrent.futures, and what has its surface."""

    def __init__(self, workers):
        self.workers = workers
        self.pool = self.new(workers)

    def map(self, f, items, chunk):
        return list(self.pool.map(f, items, chunksize=chunk or max(1, len(items) // (4 * self.workers))))

    def apply(self, f, x):
        return self.pool.submit(f, x).result()

    def stop(self):
        self.pool.shutdown()


class Processes(Executor):
    def new(self, workers):
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork"))


class Threads(Executor):
    def new(self, workers):
        from concurrent.futures import ThreadPoolExecutor

        return ThreadPoolExecutor(workers)


class Loky(Executor):
    def new(self, workers):
        import loky

        return loky.ProcessPoolExecutor(workers)


class Mpire:
    def __init__(self, workers):
        from mpire import WorkerPool

        self.pool = WorkerPool(n_jobs=workers, start_method="fork", keep_alive=True)

    def map(self, f, items, chunk):
        return self.pool.map(f, items, chunk_size=chunk or None)

    def apply(self, f, x):
        return self.pool.apply(f, (x,))

    def stop(self):
        self.pool.stop_and_join(keep_alive=False)


class Pebble:
    def __init__(self, workers):
        import multiprocessing
        from pebble import ProcessPool

        self.workers = workers
        self.pool = ProcessPool(max_workers=workers, context=multiprocessing.get_context("fork"))

    def map(self, f, items, chunk):
        chunk = chunk or max(1, len(items) // (4 * self.workers))
        return list(self.pool.map(f, items, chunksize=chunk).result())

    def apply(self, f, x):
        return self.pool.schedule(f, args=[x]).result()

    def stop(self):
        self.pool.stop()
        self.pool.join()


ALL = {
    "serial": (Serial, None),
    "pool": (Pool, None),
    "pool-spawn": (PoolSpawn, None),
    "pool-forkserver": (PoolForkServer, None),
    "dummy": (Dummy, None),
    "processes": (Processes, None),
    "threads": (Threads, None),
    "loky": (Loky, "loky"),
    "mpire": (Mpire, "mpire"),
    "pebble": (Pebble, "pebble"),
}


class Answers:
    def __init__(self, kind, workers):
        self.kind, self.workers, self.made = kind, workers, None

    def pool(self):
        if self.made is None:
            self.made = self.kind(self.workers)
        return self.made

    def stop(self):
        made, self.made = self.made, None
        if made is not None:
            made.stop()

    def timed(self, f, items, chunk):
        pool = self.pool()
        begin = clock()
        results = pool.map(f, items, chunk)
        took = clock() - begin
        assert len(results) == len(items) and results[0] == results[-1] == f(items[0])
        return took

    def map(self, function, argument, count, chunk):
        return self.timed(globals()[function], [int(argument)] * int(count), int(chunk))

    def sums(self, length, count, chunk):
        data = bytearray(os.urandom(int(length)))
        # Of an object that is in a chunk several times, pickle sends only the first.
        return self.timed(zlib.crc32, [bytes(data) for _ in range(int(count))], int(chunk))

    def echo(self, length, count):
        pool, data = self.pool(), os.urandom(int(length))
        begin = clock()
        for _ in range(int(count)):
            data = pool.apply(echo, data)
        took = clock() - begin
        assert len(data) == int(length)
        return took

    def birth(self):
        self.stop()
        begin = clock()
        self.pool().map(spin, [1], 1)
        took = clock() - begin
        self.stop()
        return took

    def death(self):
        pool = self.pool()
        pool.apply(spin, 1)
        begin = clock()
        with contextlib.suppress(Exception):
            pool.apply(leave, 3)
        try:
            pool.apply(spin, 1)
        except Exception:
            # Broken for good: its user makes another.
            self.made = self.kind(self.workers)
            self.made.apply(spin, 1)
        return clock() - begin

    def process(self):
        import multiprocessing

        process = multiprocessing.get_context("fork").Process(target=spin, args=(1,))
        begin = clock()
        process.start()
        process.join()
        return clock() - begin

    def memory(self):
        self.pool().map(spin, [1] * 100, 1)
        sizes = [own_bytes(pid) for pid in children()]
        return sum(sizes) / self.workers

    def turns(self, seconds):
        # Of many runs the quickest: what others do in between is no part of a task.
        def time_of(turns, runs):
            best = float("inf")
            for _ in range(runs):
                begin = clock()
                for _ in range(10):
                    spin(turns)
                best = min(best, (clock() - begin) / 10)
            return best

        call, many = time_of(0, 200), time_of(1000, 50)
        return max(1, round((float(seconds) - call) / ((many - call) / 1000)))


def children():
    found = []
    for thread in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{thread}/children") as file:
            found += file.read().split()
    return found


def own_bytes(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        lines = dict(line.split(":", 1) for line in file.read().splitlines()[1:])
    return sum(int(lines[key].split()[0]) for key in ("Private_Clean", "Private_Dirty")) * 1024


def main():
    name, workers = sys.argv[1], int(sys.argv[2])
    kind, package = ALL[name]
    version = f"{platform.python_implementation()} {platform.python_version()}"
    if package:
        try:
            importlib.import_module(package)
            version = f"{package} {importlib.metadata.version(package)}"
        except Exception as error:
            return print("missing", error, flush=True)
    print("ready", version, flush=True)
    answers = Answers(kind, workers)
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "end":
            break
        try:
            answer = getattr(answers, command)(*arguments)
        except Exception as error:
            answer = f"error {type(error).__name__}: {error}".replace("\n", " ")
        print(answer, flush=True)
    answers.stop()


if __name__ == "__main__":
    main()
