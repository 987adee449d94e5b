// Plans to start from; each can be run as it is once its addresses and names are yours.

export interface Template {
  key: string;
  title: string;
  about: string;
  toml: string;
}

const http = `# One request over and over. Paths are added to the environment's API address; set base_url for another one.
name = "one request"
duration = "30s"
timeout = "5s"
thresholds = ["p99 < 50ms", "errors < 0.1%"]

[load]
kind = "closed"
connections = 32

[warmup]
kind = "fixed"
duration = "2s"

[[steps]]
name = "home"
kind = "http"
path = "/"
headers = { Accept = "application/json" }
checks = [{ status = "2xx" }]
`;

const scenario = `# All steps in order, by many users at a constant rate. The login runs once for each connection.
name = "log in, browse, book"
scenario = true
duration = "1m"
thresholds = ["p99 < 200ms", "step:book p95 < 150ms", "errors < 0.1%", "lag_p99 < 1ms"]

[load]
kind = "open"
rate_per_s = 20
arrivals = "poisson"
max_in_flight = 200

[warmup]
kind = "until_steady"
at_most = "20s"

[auth]
kind = "login"
step = "login"
var = "token"

[variables]
password = "env:LOGIN_PASSWORD"

[[feeds]]
name = "user"
kind = "uniform"
from = 1
to = 1000
prefix = "user-"

[[steps]]
name = "login"
kind = "http"
method = "POST"
path = "/login"
json = { user = "{{user}}", password = "{{password}}" }
extract = [{ var = "token", json_pointer = "/token" }]

[[steps]]
name = "browse"
kind = "http"
path = "/appointments?limit=20"
extract = [{ var = "appointment", json_pointer = "/0/id" }]
checks = [{ status = 200 }]

[[steps]]
name = "book"
kind = "http"
method = "POST"
path = "/appointments/{{appointment|url}}/book"
checks = [{ status = [200, 201, 409] }]
`;

const sql = `# Statements on the environment's database, prepared once for each connection. Weights set the mix.
name = "reads by key"
duration = "30s"
thresholds = ["p99 < 20ms", "errors < 0.1%"]

[load]
kind = "closed"
connections = 8

[warmup]
kind = "fixed"
duration = "2s"

[[feeds]]
name = "id"
kind = "zipf"
items = 100000

[[steps]]
name = "appointment"
kind = "sql"
weight = 9
statement = "SELECT * FROM appointments WHERE id = $1"
parameters = [{ value = "{{id}}", type = "integer" }]

[[steps]]
name = "count by day"
kind = "sql"
statement = "SELECT count(*) FROM appointments WHERE staff_id = $1"
parameters = [{ value = "{{id}}", type = "integer" }]
`;

const cache = `# Commands on the environment's cache: nine reads for each write, some keys far more often than others.
name = "cache, nine reads to one write"
duration = "30s"
thresholds = ["p99 < 5ms", "errors < 0.1%"]

[load]
kind = "closed"
connections = 16

[warmup]
kind = "fixed"
duration = "2s"

[[feeds]]
name = "key"
kind = "zipf"
items = 100000
exponent = 0.99
prefix = "bench:"

[[feeds]]
name = "value"
kind = "random_string"
length = 512

[[steps]]
name = "get"
kind = "cache"
weight = 9
command = "GET"
args = ["{{key}}"]

[[steps]]
name = "set"
kind = "cache"
command = "SET"
args = ["{{key}}", "{{value}}", "EX", "600"]
`;

const stages = `# Up in a ramp, a plateau, a spike, and down again: how it copes with change. Figures of the whole run mix all levels.
name = "ramp and spike"
thresholds = ["errors < 1%"]

[load]
kind = "open"
rate_per_s = 20
max_in_flight = 500

[[stages]]
kind = "ramp"
duration = "30s"
to = 200

[[stages]]
kind = "hold"
duration = "1m"

[[stages]]
kind = "spike"
duration = "10s"
to = 600

[[stages]]
kind = "ramp"
duration = "20s"
to = 20

[[steps]]
name = "list"
kind = "http"
weight = 4
path = "/appointments"

[[steps]]
name = "one"
kind = "http"
path = "/appointments/1"
`;

export const TEMPLATES: readonly Template[] = [
  { key: 'http', title: 'One HTTP request', about: 'a closed loop on one path of the API', toml: http },
  { key: 'scenario', title: 'Scenario with a login', about: 'steps in order at a constant rate, a token from the login', toml: scenario },
  { key: 'sql', title: 'SQL', about: 'prepared statements on the database, in a mix', toml: sql },
  { key: 'cache', title: 'Cache', about: 'GET and SET on skewed keys', toml: cache },
  { key: 'stages', title: 'Mixed, in stages', about: 'a ramp, a plateau and a spike over two requests', toml: stages },
];
