import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [svelte()],
  base: '/',
  clearScreen: false,
  server: { port: 5173, strictPort: true },
  build: { target: 'es2022', manifest: 'manifest.json', reportCompressedSize: false, assetsInlineLimit: 0 },
  test: { include: ['src/**/*.test.ts'] },
});
