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


