import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import { defineConfig } from 'vitest/config';

/** Libraries of the frame have chunks of their own: they stay the same, and cached, while our code changes. */
function library(id: string): string | undefined {
  if (!id.includes('/node_modules/')) return undefined;
  if (/node_modules\/(@floating-ui|tabbable)\//.test(id)) return 'floating';
  if (/node_modules\/(bits-ui|svelte-toolbelt|runed|style-to-object|inline-style-parser)\//.test(id)) return 'bits';
  if (/node_modules\/uplot\//.test(id)) return 'uplot';
  return /node_modules\/(svelte|clsx|esm-env)\//.test(id) ? 'svelte' : undefined;
}

/** Svelte's own entries: what is bundled for tests and what is not share one of each. */
const SVELTE = [
  '',
  '/internal/client',
  '/internal/disclose-version',
  '/internal/flags/legacy',
  '/events',
  '/reactivity',
  '/store',
  '/legacy',
].map((entry) => `svelte${entry}`);

export default defineConfig({
  plugins: [svelte(), svelteTesting({ autoCleanup: false })],
  base: '/',
  clearScreen: false,
  // `npm run dev` speaks to a `perfctl serve` that runs beside it; the token is the one that it prints.
  server: {
    port: 5173,
    strictPort: true,
    proxy: {
      '/api': {
        target: process.env['PERFDECK_SERVE'] ?? 'http://127.0.0.1:7400',
        changeOrigin: true,
        // The server takes requests of its own pages only; this page is served by Vite.
        configure: (proxy) => proxy.on('proxyReq', (request) => request.removeHeader('origin')),
      },
    },
  },
  build: {
    target: 'es2022',
    manifest: 'manifest.json',
    reportCompressedSize: false,
    assetsInlineLimit: 0,
    rollupOptions: { output: { manualChunks: library } },
  },
  // Longer than any test takes: compilers may run beside it.
  test: {
    include: ['src/**/*.test.ts'],
    setupFiles: ['src/testing/browser.ts'],
    testTimeout: 30_000,
    // Bundled once: its hundreds of files would be read by every test of a component.
    deps: { optimizer: { web: { enabled: true, include: ['bits-ui', ...SVELTE] } } },
  },
});
