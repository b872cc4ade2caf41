"""The benchmark: what a call through Tollkeeper costs, beside nginx, Portkey and LiteLLM, in one run.

Owns installing the peers, the load, the measuring and `docs/benchmarks.md`. It imports nothing of Tollkeeper: the
gateway is measured from outside, as its users run it.
"""
