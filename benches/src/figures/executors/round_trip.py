import multiprocessing, statistics, sys, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
def increment(x): return x + 1
n = int(sys.argv[1])
if __name__ == "__main__":
    with executor() as pool:
        list(pool.map(increment, range(100)))
        def trip():
            begin = time.perf_counter()
            assert pool.submit(increment, 41).result() == 42
            return time.perf_counter() - begin
        print(statistics.median(trip() for _ in range(n)))
