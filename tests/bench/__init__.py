"""What a request costs: `make bench`, `make bench-scale`, `make bench-compare` and `make profile`.

`python -m bench` with `tests` on the path. The server is `creance serve` in processes of its own, the load comes from
another process, and what is measured is the CPU time of all the server's processes. It needs Linux. Measurements are no
tests; `test_commands.py` sees that the commands work.
"""
