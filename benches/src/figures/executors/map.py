import multiprocessing, statistics, sys, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
def increment(x): return x + 1
n = int(sys.argv[1])
if __name__ == "__main__":
    with executor() as pool:
        list(pool.map(increment, range(100)))
        begin = time.perf_counter()
        assert sum(pool.map(increment, range(n), chunksize=1000)) == n * (n + 1) // 2
        print(time.perf_counter() - begin)
