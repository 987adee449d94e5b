// The budget: first-load JavaScript at most 150 kB gzip, all of it at most 15 kB a screen (so that it shows when a whole library
// came in), every screen its own chunk of at most 40 kB.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const dist = new URL('../dist/', import.meta.url).pathname;
const gzip = (file) => gzipSync(readFileSync(join(dist, file)), { level: 9 }).length;
const manifest = JSON.parse(readFileSync(join(dist, 'manifest.json'), 'utf8'));

const first = new Set();
const walk = (key) => {
  const entry = manifest[key];
  if (!entry || first.has(entry.file)) return;
  first.add(entry.file);
  (entry.imports ?? []).forEach(walk);
};
walk('index.html');
const kB = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
const initial = [...first].filter((f) => f.endsWith('.js')).reduce((n, f) => n + gzip(f), 0);
const chunks = readdirSync(join(dist, 'assets'))
  .filter((f) => f.endsWith('.js'))
  .map((f) => gzip(`assets/${f}`));
const all = chunks.reduce((n, size) => n + size, 0);
const largest = Math.max(...chunks);
const screens = Object.values(manifest).filter((e) => e.isDynamicEntry).length;

/** What all screens together may take. */
const share = 15_000 * screens;

console.log(
  `first load ${kB(initial)} of 150 kB, all ${kB(all)} of ${kB(share)} (gzip), ${screens} screens in chunks of their own, the largest ${kB(largest)} of 40 kB`,
);
if (initial > 150_000 || all > share || largest > 40_000 || screens < 6) {
  console.error('over budget: split a chunk or drop a dependency');
  process.exit(1);
}
