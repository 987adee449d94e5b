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

    def ended(self):
        if self.measuring is not None and time.monotonic() - self.measuring >= PLAN["duration_s"]:
            self.over = True
        return self.over


WORKER = Worker()
MASTER = {"counts": Counts(), "started": None, "finished": None, "workers": 0, "done": set(), "written": False}


def load_rows(feed):
    if feed["kind"] != "rows":
        return None
    with open(os.path.join(HERE, *feed["file"].split("/")), encoding="utf-8") as file:
        return json.load(file)


ROWS = None if "--master" in sys.argv else [load_rows(feed) for feed in PLAN["feeds"]]


def zipf(rng, n, s):
    """Rejection-inversion, after Hoermann and Derflinger: 0 to n - 1 with shares 1 / (k + 1)^s."""
    def expm1(x):
        return math.expm1(x) / x if abs(x) > 1e-8 else 1 + 0.5 * x * (1 + x / 3)

    def log1p(x):
        return math.log1p(x) / x if abs(x) > 1e-8 else 1 - x * (0.5 - x * (1 / 3 - 0.25 * x))

    def h(x):
        return math.exp(-s * math.log(x))

    def integral(x):
        return expm1((1 - s) * math.log(x)) * math.log(x)

    def inverse(x):
        # Only just above -1 has a logarithm here.
        return math.exp(log1p(max(x * (1 - s), -1 + 1e-15)) * x)

    first, last = integral(1.5) - 1, integral(n + 0.5)
    shortcut = 2 - inverse(integral(2.5) - h(2))
    while True:
        u = last + rng.random() * (first - last)
        x = inverse(u)
        k = min(max(math.floor(x + 0.5), 1), n)
        if k - x <= shortcut or u >= integral(k + 0.5) - h(k):
            return k - 1


def row_of(feed, rng, number):
    """The row of an iteration, or None when rows that are used once are used up."""
    if feed["mode"] == "random":
        return rng.randrange(feed["count"])
    if feed["mode"] == "unique":
        return number if number < feed["count"] else None
    return number % feed["count"]


def values_of(position, feed, number):
    rng, kind = WORKER.draws[position], feed["kind"]
    if kind in ("rows", "sequence"):
        row = row_of(feed, rng, number)
        if row is None:
            return None
        return ROWS[position][row] if kind == "rows" else [str(int(feed["from"]) + int(feed["step"]) * row)]
    if kind == "zipf":
        return [f"{feed['prefix']}{zipf(rng, feed['items'], feed['exponent'])}"]
    if kind == "uniform":
        return [f"{feed['prefix']}{rng.randint(int(feed['from']), int(feed['to']))}"]
    return ["".join(rng.choices(LETTERS, k=feed["length"]))]


def filtered(text, filters):
    for f in filters:
        text = quote(text, safe="-._~", errors="replace") if f == "u" else json.dumps(text, ensure_ascii=False)[1:-1]
    return text


def text_of(value):
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def pointed(value, path):
    """The value at a JSON pointer; KeyError when there is none."""
    for name in path:
        if isinstance(value, dict):
            value = value[name]
        elif isinstance(value, list) and re.fullmatch("0|[1-9][0-9]{0,9}", name) and int(name) < len(value):
            value = value[int(name)]
        else:
            raise KeyError(name)
    return value


def same(value, wanted):
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


class Unset(Exception):
    """A variable without a value."""


class PerfdeckUser(FastHttpUser):
    host = "http://localhost"
    network_timeout = PLAN["timeout_s"]
    connection_timeout = PLAN["timeout_s"]
    insecure = PLAN["insecure"]
    max_redirects = SHAPE["max_redirects"]
    wait_time = constant_throughput(SHAPE["throughput"]) if SHAPE["throughput"] else constant(PLAN["think_s"])

    def on_start(self):
        self.values = [None] * PLAN["slots"]
        self.seq, self.now, self.logged_in = 0, 0, False
        for slot, name in PLAN["env"]:
            if name not in os.environ:
                logging.error("the environment variable %s is not set", name)
                self.environment.process_exit_code = 1
                raise StopUser()
            self.values[slot] = os.environ[name]
        if PLAN["login"] is not None:
            self.draw()
            if not self.send(PLAN["login"]["step"], counted=False):
                name = PLAN["steps"][PLAN["login"]["step"]]["name"]
                logging.error("step '%s', the login, failed", name)
                raise StopUser()
            self.logged_in = True

    # @TASKS@

    def draw(self):
        self.seq, self.now = WORKER.next(), int(time.time() * 1000)
        for position, feed in enumerate(PLAN["feeds"]):
            values = values_of(position, feed, self.seq)
            if values is None:
                logging.warning("a feed whose rows are used once has none left")
                WORKER.over = True
                raise StopUser()
            for slots, value in zip(feed["slots"], values):
                for slot in slots:
                    self.values[slot] = value

    def iterate(self, indices):
        if WORKER.ended():
            raise StopUser()
        self.draw()
        for index in indices:
            # A scenario ends with the first step that fails: what follows builds on it.
            if not self.send(index):
                return

    def render(self, parts):
        out = []
        for part in parts:
            if isinstance(part, str):
                out.append(part)
            elif part[0] == "slot":
                value = self.values[part[1]]
                if value is None:
                    raise Unset("'{{" + part[3] + "}}' has no value yet")
                out.append(filtered(value, part[2]))
            elif part[0] == "uuid":
                out.append(str(uuid.UUID(int=WORKER.random.getrandbits(128), version=4)))
            elif part[0] == "seq":
                out.append(str(self.seq))
            elif part[0] == "now":
                out.append(str(self.now))
            else:
                out.append(str(WORKER.random.randint(int(part[1]), int(part[2]))))
        return "".join(out)

    def headers_of(self, step):
        headers = {}

        def put(name, value):
            for other in [known for known in headers if known.lower() == name.lower()]:
                del headers[other]
            # Latin-1 is what the client sends; this fails for all else.
            value.encode("latin-1")
            if any(c in value for c in "\r\n\0"):
                raise ValueError(f"the value of header '{name}' cannot be sent")
            headers[name] = value

        if PLAN["auth"] is not None:
            value = self.render(PLAN["auth"]["value"])
            if PLAN["auth"]["basic"]:
                value = "Basic " + base64.b64encode(value.encode()).decode()
            put(PLAN["auth"]["header"], value)
        for name, value in step["headers"]:
            put(name, self.render(value))
        if self.logged_in:
            put(PLAN["login"]["header"], self.render(PLAN["login"]["value"]))
        return headers

    def send(self, index, counted=True):
        """Sends a step's request. Whether it is what the plan says."""
        step = PLAN["steps"][index]
        mark = (index, time.monotonic(), {}) if counted else None
        try:
            url, headers = self.render(step["url"]), self.headers_of(step)
            body = None if step["body"] is None else self.render(step["body"]).encode("utf-8", "replace")
        except (Unset, ValueError) as error:
            self.environment.events.request.fire(
                request_type=step["method"], name=step["name"], response_time=0, response_length=0,
                response=None, context={"perfdeck": mark}, exception=error, url="", start_time=time.time(),
            )
            return False
        WORKER.in_flight += 1
        try:
            with self.client.request(
                step["method"], url, name=step["name"], data=body, headers=headers, catch_response=True,
                allow_redirects=step["redirects"] > 0, context={"perfdeck": mark},
            ) as response:
                problem = self.inspect(step, response)
                if problem is None:
                    response.success()
                else:
                    response.failure(problem)
                return problem is None
        finally:
            WORKER.in_flight -= 1

    def wanted(self, want, value):
        if want["kind"] == "present":
            return True
        if want["kind"] == "text":
            return text_of(value) == self.render(want["text"]) and (isinstance(value, str) or not want["fixed"])
        return same(value, want["value"])

    def holds(self, rule, response, parsed):
        kind = rule["kind"]
        if kind == "status":
            return any(low <= response.status_code <= high for low, high in rule["ranges"])
        if kind == "contains":
            return self.render(rule["text"]).encode("utf-8", "replace") in (response.content or b"")
        if kind == "pointer":
            return self.wanted(rule["want"], pointed(parsed(), rule["path"]))
        value = response.headers.get(rule["name"])
        if value is None:
            return False
        if rule["want"]["kind"] == "value":
            expected = rule["want"]["value"]
            return value == str(expected).lower() if isinstance(expected, bool) else float(value) == expected
        return self.wanted(rule["want"], value)

    def inspect(self, step, response):
        """Checks a response, then takes values out of it. The first rule that it does not keep, or None."""
        if response.status_code == 0:
            error = getattr(response, "error", None)
            return f"{type(error).__name__}: {str(error)[:120]}"
        if step["own_status"] and response.status_code >= 400:
            return f"status {response.status_code}"
        cache = []

        def parsed():
            if not cache:
                cache.append(json.loads(response.content or b""))
            return cache[0]

        for rule in step["checks"]:
            try:
                kept = self.holds(rule, response, parsed)
            except (KeyError, ValueError, TypeError, Unset):
                kept = False
            if not kept:
                return f"status {response.status_code}" if rule["kind"] == "status" else rule["label"]
        found = []
        for take in step["extract"]:
            try:
                if take["path"] is None:
                    value = response.headers.get(take["header"])
                else:
                    value = text_of(pointed(parsed(), take["path"]))
            except (KeyError, ValueError, TypeError):
                value = None
            if value is None or len(value) > 65536:
                return take["label"]
            found.append((take["slot"], value))
        for slot, value in found:
            self.values[slot] = value
        return None


class PerfdeckShape(LoadTestShape):
    """Warm-up, then the pieces of the plan, then a wait for the last responses."""

    def tick(self):
        at = self.get_run_time() - PLAN["warmup_s"]
        if at < 0:
            return self.users(SHAPE["warm_users"])
        last = 0.0
        for piece in SHAPE["pieces"]:
            if at < piece["seconds"]:
                return self.users(piece["from"] + (piece["to"] - piece["from"]) * at / piece["seconds"])
            at, last = at - piece["seconds"], piece["to"]
        running = MASTER["workers"] == 0 or len(MASTER["done"]) < MASTER["workers"]
        if at < PLAN["timeout_s"] + 3 and running:
            return self.users(last)
        return None

    @staticmethod
    def users(level):
        count = max(int(round(level)), 0)
        return count, max(count, 1)


@events.request.add_listener
def on_request(context, response_time, exception, **_):
    mark = (context or {}).get("perfdeck")
    second = WORKER.measured(mark[1]) if mark else None
    if second is not None:
        WORKER.counts.request(mark[0], second, response_time * 1000, None if exception is None else str(exception)[:200])


@events.report_to_master.add_listener
def on_report(data, **_):
    data["perfdeck"] = WORKER.counts.take()


@events.worker_report.add_listener
def on_worker_report(data, **_):
    MASTER["counts"].add(data.get("perfdeck", []))


def measure(runner):
    """Counts from now on; at the end, waits for the last responses and reports them."""
    WORKER.measuring = time.monotonic()
    end = WORKER.measuring + PLAN["duration_s"]
    while time.monotonic() < end and not (WORKER.over and WORKER.in_flight == 0):
        gevent.sleep(min(0.05, max(end - time.monotonic(), 0)))
    WORKER.over = True
    while WORKER.in_flight > 0 and time.monotonic() < end + PLAN["timeout_s"] + 1:
        gevent.sleep(0.01)
    if isinstance(runner, WorkerRunner):
        data = {}
        runner.environment.events.report_to_master.fire(client_id=runner.client_id, data=data)
        runner.send_message("stats", data)
        runner.send_message("perfdeck_done", {})
    else:
        MASTER["counts"].add(WORKER.counts.take())
        finish("local")


def finish(worker):
    MASTER["done"].add(worker)
    if len(MASTER["done"]) >= MASTER["workers"]:
        MASTER["finished"] = time.time()


def on_begin(environment, msg, **_):
    WORKER.begin(msg.data["index"], msg.data["workers"])


def on_measure(environment, msg, **_):
    gevent.spawn(measure, environment.runner)


def on_done(environment, msg, **_):
    finish(msg.node_id)


@events.init.add_listener
def on_init(environment, runner, **_):
    if isinstance(runner, WorkerRunner):
        runner.register_message("perfdeck_begin", on_begin)
        runner.register_message("perfdeck_measure", on_measure)
    elif isinstance(runner, MasterRunner):
        runner.register_message("perfdeck_done", on_done)


@events.test_start.add_listener
def on_test_start(environment, **_):
    runner = environment.runner
    if isinstance(runner, WorkerRunner):
        return
    MASTER.update(counts=Counts(), started=None, finished=None, done=set(), written=False)
    if isinstance(runner, MasterRunner):
        clients = [c.id for c in runner.clients.ready + runner.clients.running + runner.clients.spawning]
        MASTER["workers"] = len(clients)
        for index, client in enumerate(clients):
            runner.send_message("perfdeck_begin", {"index": index, "workers": len(clients)}, client)
    else:
        clients = None
        MASTER["workers"] = 1
        WORKER.begin(0, 1)

    def start():
        MASTER["started"] = time.time()
        if clients is None:
            gevent.spawn(measure, runner)
        else:
            for client in clients:
                runner.send_message("perfdeck_measure", {}, client)

    if PLAN["warmup_s"] > 0:
        gevent.spawn_later(PLAN["warmup_s"], start)
    else:
        start()


@events.test_stop.add_listener
def on_test_stop(environment, **_):
    if not isinstance(environment.runner, WorkerRunner):
        write()


@events.quit.add_listener
def on_quit(**_):
    # What workers reported while they were told to stop early.
    if MASTER["written"]:
        write()


def write():
    """One line per step; whatever was counted when the run was stopped."""
    if MASTER["started"] is None:
        return
    finished = min(MASTER["finished"] or time.time(), MASTER["started"] + PLAN["duration_s"])
    steps = zip(PLAN["steps"], MASTER["counts"].steps)
    with open("perfdeck.ndjson", "w", encoding="utf-8") as file:
        for step, counts in steps:
            line = {
                "schema": "perfdeck.locust/1",
                "step": step["name"],
                "requests": counts["requests"],
                "errors": counts["errors"],
                "started_ms": MASTER["started"] * 1000,
                "finished_ms": finished * 1000,
                "errors_by": counts["errors_by"],
                "service_us": sorted(counts["service_us"].items()),
                "seconds": sorted([second, *both] for second, both in counts["seconds"].items()),
                "workers": MASTER["workers"],
                "workers_done": len(MASTER["done"]),
            }
            file.write(json.dumps(line) + "\n")
    MASTER["written"] = True
