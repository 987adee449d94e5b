# Perfdeck plan: @NAME@
# Written by Perfdeck. PLAN and SHAPE are data; change the plan rather than this.
import base64
import json
import logging
import math
import os
import random
import re
import sys
import time
import uuid
from urllib.parse import quote

import gevent
import locust.stats
from locust import FastHttpUser, LoadTestShape, constant, constant_throughput, events, task
from locust.exception import StopUser
from locust.runners import MasterRunner, WorkerRunner

SHAPE = json.loads("@SHAPE@")
PLAN = json.loads("@PLAN@")
HERE = os.path.dirname(os.path.abspath(__file__))
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def three_digits(value):
    """A number rounded to three significant digits, as Perfdeck's histograms hold it."""
    value = max(int(round(value)), 0)
    if value < 1000:
        return value
    unit = 10 ** (len(str(value)) - 3)
    return (value + unit // 2) // unit * unit


# Locust's own figures have two digits above 100 ms.
if hasattr(locust.stats, "bucket_response_time"):
    locust.stats.bucket_response_time = three_digits


class Counts:
    """What happened in the measured time, by step. Counts add up without loss."""

    def __init__(self):
        self.steps = [self.empty() for _ in PLAN["steps"]]

    @staticmethod
    def empty():
        return {"requests": 0, "errors": 0, "errors_by": {}, "service_us": {}, "seconds": {}}

    def request(self, index, second, us, error):
        step = self.steps[index]
        step["requests"] += 1
        bucket = three_digits(us)
        step["service_us"][bucket] = step["service_us"].get(bucket, 0) + 1
        both = step["seconds"].setdefault(second, [0, 0])
        both[0] += 1
        if error is not None:
            both[1] += 1
            step["errors"] += 1
            known = step["errors_by"]
            error = error if error in known or len(known) < 100 else "other errors"
            known[error] = known.get(error, 0) + 1

    def take(self):
        """What there is as plain data, and nothing afterwards."""
        taken = [
            [s["requests"], s["errors"], list(s["errors_by"].items()), list(s["service_us"].items()),
             [[second, *both] for second, both in s["seconds"].items()]]
            for s in self.steps
        ]
        self.steps = [self.empty() for _ in PLAN["steps"]]
        return taken

    def add(self, taken):
        for step, (requests, errors, errors_by, service_us, seconds) in zip(self.steps, taken):
            step["requests"] += requests
            step["errors"] += errors
            for message, count in errors_by:
                step["errors_by"][message] = step["errors_by"].get(message, 0) + count
            for us, count in service_us:
                step["service_us"][us] = step["service_us"].get(us, 0) + count
            for second, count, failed in seconds:
                both = step["seconds"].setdefault(second, [0, 0])
                both[0] += count
                both[1] += failed


class Worker:
    """This process as one of those that send requests."""

    def __init__(self):
        self.counts = Counts()
        self.index, self.workers = 0, 1
        self.iterations = 0
        self.in_flight = 0
        self.measuring = None
        self.over = False
        self.begin(0, 1)

    def begin(self, index, workers):
        self.index, self.workers = index, max(workers, 1)
        self.iterations = 0
        self.measuring, self.over = None, False
        self.counts = Counts()
        # Locust chooses tasks with this one.
        random.seed(f"steps {PLAN['seed']} {index}")
        self.random = random.Random(f"builtins {PLAN['seed']} {index}")
        self.draws = [random.Random(f"feed {f['name']} {PLAN['seed']} {index}") for f in PLAN["feeds"]]

    def next(self):
        """Number of the next iteration, over all workers."""
        number = self.index + self.workers * self.iterations
        self.iterations += 1
        return number

    def measured(self, started):
        """The second of the measured time that a request started in, or None."""
        if self.measuring is None or started < self.measuring:
            return None
        second = started - self.measuring
        return int(second) if second < PLAN["duration_s"] else None

    def late(self, at):
        """Whether a request that starts then is not measured any more."""
        return self.measuring is not None and at - self.measuring >= PLAN["duration_s"]

    def ended(self):
        if self.late(time.monotonic()):
            self.over = True
        return self.over


WORKER = Worker()
MASTER = {"counts": Counts(), "started": None, "finished": None, "workers": 0, "done": set(), "written": False}


