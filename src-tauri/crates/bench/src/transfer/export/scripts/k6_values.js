const rows = PLAN.feeds.map((feed) =>
  feed.kind === 'rows' ? new SharedArray(feed.name, () => JSON.parse(open(`./${feed.file}`))) : null);
const errors = new Rate('perfdeck_errors');
const failed = new Counter('perfdeck_failed');
const fine = new Counter('perfdeck_ok');
const expected = PLAN.steps.map((step) => {
  const status = step.checks.find((rule) => rule.kind === 'status');
  const ranges = status ? status.ranges : [[100, 399]];
  return http.expectedStatuses(...ranges.map(([min, max]) => ({ min, max })));
});

// Each virtual user has this file for itself.
const scope = new Array(PLAN.slots).fill(null);
let random = null;
let choice = null;
let draws = null;
let loggedIn = false;
let seq = 0;
let now = 0;

// Uniform numbers from a text: FNV-1a into mulberry32.
function generator(text) {
  let state = 2166136261;
  for (let i = 0; i < text.length; i += 1) state = Math.imul(state ^ text.charCodeAt(i), 16777619) >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  return { next, unit: () => ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992 };
}

// Bounds that a number cannot hold exactly are texts.
function between(rng, low, high) {
  if (typeof low === 'number' && typeof high === 'number') {
    return String(low + Math.floor(rng.unit() * (high - low + 1)));
  }
  const wide = BigInt(rng.next()) * BigInt(4294967296) + BigInt(rng.next());
  return String(BigInt(low) + (wide % (BigInt(high) - BigInt(low) + BigInt(1))));
}

function hex(rng, digits) {
  let text = '';
  while (text.length < digits) text += (rng.next() >>> 28).toString(16);
  return text;
}

function uuid(rng) {
  const variant = '89ab'[rng.next() >>> 30];
  return `${hex(rng, 8)}-${hex(rng, 4)}-4${hex(rng, 3)}-${variant}${hex(rng, 3)}-${hex(rng, 12)}`;
}

function percent(text) {
  const whole = text.replace(/[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g, (c) => (c.length === 2 ? c : '\ufffd'));
  return encodeURIComponent(whole).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function filter(text, filters) {
  let value = text;
  for (const f of filters) value = f === 'u' ? percent(value) : JSON.stringify(value).slice(1, -1);
  return value;
}

function render(parts) {
  let text = '';
  for (const part of parts) {
    if (typeof part === 'string') {
      text += part;
    } else if (part[0] === 'slot') {
      const value = scope[part[1]];
      if (value === null) throw new Error(`'{{${part[3]}}}' has no value yet`);
      text += filter(value, part[2]);
    } else if (part[0] === 'uuid') {
      text += uuid(random);
    } else if (part[0] === 'seq') {
      text += String(seq);
    } else if (part[0] === 'now') {
      text += String(now);
    } else {
      text += between(random, part[1], part[2]);
    }
  }
  return text;
}

// Rejection-inversion, after Hörmann and Derflinger: numbers 0 to n - 1 with shares 1 / (k + 1)^s.
function zipf(rng, n, s) {
  const expm1 = (x) => (Math.abs(x) > 1e-8 ? Math.expm1(x) / x : 1 + 0.5 * x * (1 + x / 3));
  const log1p = (x) => (Math.abs(x) > 1e-8 ? Math.log1p(x) / x : 1 - x * (0.5 - x * (1 / 3 - 0.25 * x)));
  const h = (x) => Math.exp(-s * Math.log(x));
  const integral = (x) => expm1((1 - s) * Math.log(x)) * Math.log(x);
  const inverse = (x) => Math.exp(log1p(Math.max(x * (1 - s), -1)) * x);
  const first = integral(1.5) - 1;
  const last = integral(n + 0.5);
  const shortcut = 2 - inverse(integral(2.5) - h(2));
  for (;;) {
    const u = last + rng.unit() * (first - last);
    const x = inverse(u);
    const k = Math.min(Math.max(Math.floor(x + 0.5), 1), n);
    if (k - x <= shortcut || u >= integral(k + 0.5) - h(k)) return k - 1;
  }
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

function generated(feed, rng) {
  if (feed.kind === 'zipf') return feed.prefix + zipf(rng, feed.items, feed.exponent);
  if (feed.kind === 'uniform') return feed.prefix + between(rng, feed.from, feed.to);
  let text = '';
  while (text.length < feed.length) text += LETTERS[Math.floor(rng.unit() * 62)];
  return text;
}

// The row of iteration `number`, or -1 when rows that are used once are used up. The warm-up has the last of those.
function rowOf(feed, rng, number, warm) {
  if (feed.mode === 'random') return Math.floor(rng.unit() * feed.count);
  if (feed.mode === 'sequential') return number % feed.count;
  const share = PLAN.warmup_s / (PLAN.warmup_s + PLAN.duration_s);
  const first = feed.count - Math.floor(feed.count * share);
  const row = warm ? first + number : number;
  return row < (warm ? feed.count : first) ? row : -1;
}

function draw(number, warm) {
  for (let i = 0; i < PLAN.feeds.length; i += 1) {
    const feed = PLAN.feeds[i];
    let values;
    if (feed.kind === 'rows' || feed.kind === 'sequence') {
      const row = rowOf(feed, draws[i], number, warm);
      if (row < 0) return false;
      if (feed.kind === 'rows') values = rows[i][row];
      else if (typeof feed.from === 'number' && typeof feed.step === 'number') {
        values = [String(feed.from + feed.step * row)];
      } else values = [String(BigInt(feed.from) + BigInt(feed.step) * BigInt(row))];
    } else {
      values = [generated(feed, draws[i])];
    }
    feed.slots.forEach((slots, column) => slots.forEach((slot) => { scope[slot] = values[column]; }));
  }
  return true;
}

