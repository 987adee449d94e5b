// The value at a JSON pointer; undefined when there is none.
function pointed(json, path) {
  let value = json;
  for (const name of path) {
    if (value === null || typeof value !== 'object') return undefined;
    if (Array.isArray(value) && !/^(0|[1-9][0-9]*)$/.test(name)) return undefined;
    if (!Object.prototype.hasOwnProperty.call(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

function textOf(value) {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function headerOf(response, name) {
  const wanted = name.toLowerCase();
  const found = Object.entries(response.headers).find(([key]) => key.toLowerCase() === wanted);
  return found === undefined ? undefined : found[1];
}

function wanted(want, value) {
  if (want.kind === 'present') return true;
  if (want.kind === 'text') return textOf(value) === render(want.text) && (typeof value === 'string' || !want.fixed);
  return value === want.value;
}

function holds(rule, response, json) {
  if (rule.kind === 'status') return rule.ranges.some(([low, high]) => response.status >= low && response.status <= high);
  if (rule.kind === 'contains') return String(response.body).includes(render(rule.text));
  if (rule.kind === 'pointer') {
    const value = pointed(json(), rule.path);
    return value !== undefined && wanted(rule.want, value);
  }
  const value = headerOf(response, rule.name);
  if (value === undefined) return false;
  if (rule.want.kind === 'value') {
    return typeof rule.want.value === 'boolean' ? value === String(rule.want.value) : Number(value) === rule.want.value;
  }
  return wanted(rule.want, value);
}

// Checks a response, then takes values out of it. The name of the first rule that it does not keep, or null.
function inspect(step, response) {
  if (response.status === 0) return `error ${response.error_code}`;
  if (step.own_status && response.status >= 400) return `status ${response.status}`;
  if (step.redirects > 0 && [301, 302, 303, 307, 308].includes(response.status) && headerOf(response, 'location')) {
    return 'redirects';
  }
  let parsed;
  const json = () => {
    if (parsed === undefined) parsed = JSON.parse(response.body);
    return parsed;
  };
  for (const rule of step.checks) {
    let kept = false;
    try {
      kept = holds(rule, response, json);
    } catch (_) {
      kept = false;
    }
    check(response, { [rule.label]: () => kept });
    if (!kept) return rule.kind === 'status' ? `status ${response.status}` : rule.label;
  }
  const found = [];
  for (const take of step.extract) {
    let value;
    try {
      value = take.path === null ? headerOf(response, take.header) : pointed(json(), take.path);
    } catch (_) {
      value = undefined;
    }
    if (value === undefined || textOf(value).length > 65536) return take.label;
    found.push([take.slot, textOf(value)]);
  }
  for (const [slot, value] of found) scope[slot] = value;
  return null;
}

function headersOf(step) {
  const headers = [];
  const put = (name, value) => {
    const at = headers.findIndex(([other]) => other.toLowerCase() === name.toLowerCase());
    if (at >= 0) headers.splice(at, 1);
    headers.push([name, value]);
  };
  if (PLAN.auth !== null) {
    const value = render(PLAN.auth.value);
    put(PLAN.auth.header, PLAN.auth.basic ? `Basic ${encoding.b64encode(value)}` : value);
  }
  for (const [name, value] of step.headers) put(name, render(value));
  if (loggedIn) put(PLAN.login.header, render(PLAN.login.value));
  return Object.fromEntries(headers);
}

// Sends a step's request. Whether it is what the plan says.
function send(index, phase) {
  const step = PLAN.steps[index];
  const tags = { step: step.id, name: step.name };
  if (phase !== null) tags.phase = phase;
  let problem = null;
  try {
    const body = step.body === null ? null : render(step.body);
    const response = http.request(step.method, render(step.url), body, {
      headers: headersOf(step),
      redirects: step.redirects,
      timeout: PLAN.timeout_s * 1000,
      responseType: step.need_body ? 'text' : 'none',
      responseCallback: expected[index],
      tags,
    });
    problem = inspect(step, response);
  } catch (e) {
    problem = 'not sent';
    console.error(e.message);
  }
  errors.add(problem !== null, problem === null ? tags : Object.assign({ error: problem }, tags));
  if (problem === null) fine.add(1, tags);
  else failed.add(1, tags);
  return problem === null;
}

function begin() {
  const user = exec.vu.idInTest;
  random = generator(`builtins ${PLAN.seed} ${user}`);
  choice = generator(`steps ${PLAN.seed} ${user}`);
  draws = PLAN.feeds.map((feed) => generator(`feed ${feed.name} ${PLAN.seed} ${user}`));
  for (const [slot, name] of PLAN.env) {
    if (__ENV[name] === undefined) throw new Error(`the environment variable ${name} is not set`);
    scope[slot] = __ENV[name];
  }
}

// One step by its share.
function chosen() {
  const at = choice.unit() * PLAN.order[PLAN.order.length - 1][1];
  const entry = PLAN.order.find(([, sum]) => sum > at);
  return entry === undefined ? PLAN.order[PLAN.order.length - 1][0] : entry[0];
}

export function iteration() {
  try {
    if (random === null) begin();
  } catch (e) {
    exec.test.abort(e.message);
    return;
  }
  const warm = exec.scenario.name === 'warmup';
  const number = exec.scenario.iterationInTest;
  seq = warm ? 1000000000000 + number : number;
  now = Date.now();
  if (!draw(number, warm)) {
    if (!warm) exec.test.abort('a feed whose rows are used once has none left');
    else sleep(1);
    return;
  }
  if (PLAN.login !== null && !loggedIn) {
    if (!send(PLAN.login.step, 'login')) {
      exec.test.abort(`step '${PLAN.steps[PLAN.login.step].name}', the login, failed`);
      return;
    }
    loggedIn = true;
  }
  if (PLAN.scenario) {
    // A scenario ends with the first step that fails: what follows builds on it.
    PLAN.order.every(([index]) => send(index, null));
  } else {
    send(chosen(), null);
  }
  if (PLAN.think_s > 0) sleep(PLAN.think_s);
}

export default iteration;
