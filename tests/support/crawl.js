// Presses what can be pressed on one screen, and says what is wrong with what then shows. Run in the page by a driver:
// arguments are the screen's address, what was pressed before, the time that there is, and the function that takes the result.
const [route, before, limitMs, done] = arguments;

/** Not pressed, each for its reason. */
const SKIPPED = {
  // Load for as long as its field says; the tests of benchmarks press these.
  'bench-start': 'load',
  'plan-run': 'load',
  'run-again': 'load',
  'proving-do': 'load',
  // Builds the demo for seconds; the first test presses it.
  'open-demo': 'demo',
  // Loads the page anew, and this script with it.
  'failure-retry': 'reload',
  // Opens a dialog of the system.
  dotenv: 'file',
  'envfile-choose': 'file',
  'plan-import-file': 'file',
};
const CONTROLS = 'a[href], button, input, select, summary, [role=radio], [role=switch], [role=tab], [role^=menuitem], [role=option], [tabindex="0"]';
const LAYERS = '[role=dialog], [role=menu]';
/** Of controls that only their row tells apart, so many are pressed. */
const ROWS = 2;

const until = performance.now() + limitMs;
const problems = new Set();
const pressed = new Set(before);
const found = new Set();
const counts = new Map();

const frame = () => new Promise((next) => requestAnimationFrame(next));
const seen = (e) => e.getClientRects().length > 0 && getComputedStyle(e).visibility !== 'hidden';
const off = (e) => e.disabled || e.getAttribute('aria-disabled') === 'true' || e.closest('[inert]');
const nameOf = (e) =>
  (e.getAttribute('aria-label') || e.innerText || e.title || e.placeholder || '').replace(/\s+/g, ' ').trim().slice(0, 60);
const testid = (e) => e.dataset.testid || e.closest('[data-testid]')?.dataset.testid + ' ' + e.tagName.toLowerCase();
const screen = () => document.querySelector('main')?.dataset.testid ?? '';
const isIn = (e, selector) => e.closest(selector) !== null;
/** What a press is counted as: the frame's controls once for all screens, others once for their screen. */
const keyOf = (e) => {
  const place = isIn(e, 'nav, footer, .frame > button') || isIn(e, '[data-testid=env-block], [data-testid=open-palette]') ? 'frame' : screen();
  return `${place}: ${testid(e)}: ${nameOf(e).replace(/[\d.,\u202f\u2009]+/g, '#')}`;
};
const kindOf = (e) => `${screen()}: ${testid(e)}`;

// What the page says to the console, and what it waits for.
window.__heard ??= (() => {
  const heard = { said: [], waiting: 0 };
  for (const level of ['error', 'warn']) {
    const own = console[level];
    console[level] = (...all) => {
      heard.said.push(`console.${level}: ${all.map(String).join(' ').slice(0, 300)}`);
      own.apply(console, all);
    };
  }
  addEventListener('error', (e) => heard.said.push(`error: ${e.message}`));
  addEventListener('unhandledrejection', (e) => heard.said.push(`unhandled: ${String(e.reason?.message ?? e.reason).slice(0, 300)}`));
  const ask = window.fetch;
  window.fetch = async (url, init) => {
    const counted = String(url).includes('/api/rpc/');
    if (counted) heard.waiting += 1;
    try {
      return await ask(url, init);
    } finally {
      if (counted) heard.waiting -= 1;
    }
  };
  return heard;
})();
const heard = window.__heard;

/** Until nothing is asked any more and what was answered is drawn; not longer than a moment. */
async function settled(most = 1500) {
  const end = performance.now() + most;
  await frame();
  await frame();
  while (heard.waiting > 0 && performance.now() < end) await frame();
  await frame();
  await frame();
}

function look(after) {
  const at = `${location.hash.split('?')[0]} after ${after}`;
  for (const said of heard.said.splice(0)) problems.add(`${said} (${at})`);
  const main = document.querySelector('main');
  for (const [name, e] of [['page', document.documentElement], ['screen', main]])
    if (e.scrollWidth > e.clientWidth + 1) problems.add(`the ${name} is ${e.scrollWidth} px wide in ${e.clientWidth} px (${at})`);
  const later = document.querySelector('[data-testid=later]');
  const words = [...document.querySelectorAll('main, [role=dialog], [role=menu]')].map((e) => e.innerText).join('\n');
  if (!later && /comes later|will be here/i.test(words)) problems.add(`it says that something comes later (${at})`);
}
async function focused(after) {
  const lost = () => document.activeElement === null || document.activeElement === document.body;
  // What went takes the focus along until the next frame; that is not what is looked for.
  for (let n = 0; n < 20 && lost(); n += 1) await frame();
  if (lost()) problems.add(`the focus is on the body (${location.hash.split('?')[0]} after ${after})`);
}

async function open(address) {
  location.hash = address;
  await frame();
  const end = performance.now() + 5000;
  while (!screen() && performance.now() < end) await frame();
  await settled(3000);
}

const layer = () => [...document.querySelectorAll(LAYERS)].filter(seen).pop() ?? null;
async function close() {
  for (let n = 0; n < 3 && layer(); n += 1) {
    const target = document.activeElement ?? document.body;
    target.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true, cancelable: true }));
    await settled(300);
  }
  if (layer()) problems.add(`${nameOf(layer())} is not closed by Escape (${route})`);
}

/** Presses one control; answers whether it led elsewhere. */
async function press(e) {
  const name = `${testid(e)} "${nameOf(e)}"`;
  const path = location.hash.split('?')[0];
  const ofFinding = isIn(e, '[data-testid=finding]') && screen() !== 'screen-later';
  e.scrollIntoView({ block: 'nearest' });
  e.focus({ preventScroll: true });
  if (e.tagName === 'SELECT') {
    e.selectedIndex = e.options.length - 1;
    e.dispatchEvent(new Event('change', { bubbles: true }));
  } else if (e.tagName !== 'INPUT' || ['checkbox', 'radio'].includes(e.type)) e.click();
  await settled();
  look(name);
  await focused(name);
  if (ofFinding && screen() === 'screen-later') problems.add(`a finding leads to what comes later (${path}: ${name})`);
  // What was taken away is brought back, which is to be tried too.
  const undo = [...document.querySelectorAll('button')].find((b) => seen(b) && b.innerText.trim() === 'Undo' && !isIn(b, '[data-testid=change], [data-testid=tray]'));
  if (undo && undo !== e) {
    undo.click();
    await settled();
    look(`Undo of ${name}`);
    await focused(`Undo of ${name}`);
  }
  const now = location.hash.split('?')[0];
  if (now !== path) found.add(now);
  return now !== path;
}

/** What is to be pressed next within a part of the page. */
function next(part) {
  return [...part.querySelectorAll(CONTROLS)].find((e) => {
    if (!seen(e) || off(e) || SKIPPED[e.dataset.testid] || e.target === '_blank' || e.hasAttribute('download')) return false;
    if (layer() === null && isIn(e, LAYERS)) return false;
    const key = keyOf(e);
    if (pressed.has(key)) return false;
    const kind = kindOf(e);
    const rows = counts.get(kind) ?? 0;
    if (isIn(e, 'tr, li, [role=option], [role^=menuitem]') && !isIn(e, 'nav') && rows >= ROWS) return false;
    counts.set(kind, rows + 1);
    pressed.add(key);
    return true;
  });
}

async function crawl() {
  await open(route);
  look('being opened');
  await focused('being opened');
  for (let e; performance.now() < until && (e = next(document.body)); ) {
    const opener = e;
    if (await press(e)) {
      await close();
      await open(route);
      continue;
    }
    for (let inside; layer() && performance.now() < until && (inside = next(layer())); ) {
      const led = await press(inside);
      if (led) await open(route);
      // The rest of a menu that one choice closed is reached by opening it again.
      if (!layer() && opener.isConnected && !off(opener) && opener.getAttribute('aria-haspopup')) {
        opener.focus();
        opener.click();
        await settled(300);
      }
    }
    await close();
  }
  const left = performance.now() >= until;
  return { problems: [...problems], pressed: [...pressed], found: [...found], left };
}
crawl().then(done, (error) => done({ problems: [`the crawler: ${error?.stack ?? error}`], pressed: [...pressed], found: [], left: true }));
