"""What a request costs: `make bench`, `make bench-compare` and `make profile`. No tests: nothing here is collected.

`python -m bench` with `tests` on the path. The server is `creance serve` in processes of its own, the load comes from
another process, and what is measured is the CPU time of all the server's processes. It needs Linux.
"""
