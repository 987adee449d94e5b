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
