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
        started = time.monotonic()
        # The end may come between an iteration's beginning and its request: what is not counted is not sent.
        if counted and WORKER.late(started):
            raise StopUser()
        mark = (index, started, {}) if counted else None
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


