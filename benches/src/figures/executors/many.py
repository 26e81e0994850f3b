import multiprocessing, statistics, sys, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
def increment(x): return x + 1
n = int(sys.argv[1])
if __name__ == "__main__":
    with executor() as pool:
        list(pool.map(increment, range(100)))
        begin = time.perf_counter()
        futures = [pool.submit(increment, x) for x in range(n)]
        assert sum(future.result() for future in futures) == n * (n + 1) // 2
        print(time.perf_counter() - begin)
