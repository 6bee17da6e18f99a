#!/usr/bin/env python3
"""Runs llama.cpp's own server, for tests against a server that Parlor's authors did not write.

    llama_server.py --model FILE.gguf --port N [--api-key KEY] [--context TOKENS]

Needs the Python package `xllamacpp`, which holds the compiled server. Prints one line of JSON when the server answers, and ends when its
standard input closes, so it never outlives the test that started it.
"""

import argparse
import json
import os
import sys

import xllamacpp


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--model", required=True, help="a model in a GGUF file")
    options.add_argument("--port", required=True, type=int, help="on 127.0.0.1; 0 takes a free one")
    options.add_argument("--api-key", help="refuse requests without it")
    options.add_argument("--context", type=int, default=2048, help="tokens of prompt and answer together")
    wanted = options.parse_args()

    params = xllamacpp.CommonParams()
    params.model.path = wanted.model
    params.hostnames = ["127.0.0.1"]
    params.port = wanted.port
    params.n_ctx = wanted.context
    params.n_parallel = 1
    # One core is left to the test itself: a thread for each would make them all wait for one another.
    params.cpuparams.n_threads = max(1, (os.cpu_count() or 2) - 1)
    params.warmup = False
    if wanted.api_key:
        params.api_keys = [wanted.api_key]

    server = xllamacpp.Server(params)  # returns when the model is loaded
    print(json.dumps({"ready": server.listening_address, "build": str(xllamacpp.BUILD_INFO)}), flush=True)
    sys.stdin.read()
    # The server has threads of its own that nothing waits for, and nothing to save.
    os._exit(0)


if __name__ == "__main__":
    main()
