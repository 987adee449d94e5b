import tsParser from '@typescript-eslint/parser';
import svelteParser from 'svelte-eslint-parser';

// Only the backend folder knows a transport (ARCHITECTURE.md, invariant 2).
const transport = [{ group: ['@tauri-apps/*'], message: 'Only src/backend knows a transport.' }];
const rules = {
  'no-restricted-imports': ['error', { patterns: transport }],
  'no-restricted-globals': ['error', { name: 'fetch', message: 'Only src/backend knows a transport.' }],
  'no-eval': 'error',
  'no-debugger': 'error',
  'no-console': ['error', { allow: ['warn', 'error'] }],
  eqeqeq: ['error', 'always'],
};

export default [
  { ignores: ['src/backend/gen/**'] },
  { files: ['src/**/*.ts'], languageOptions: { parser: tsParser }, rules },
  {
    files: ['src/**/*.svelte'],
    languageOptions: { parser: svelteParser, parserOptions: { parser: tsParser } },
    rules,
  },
  { files: ['src/backend/**/*.ts'], rules: { 'no-restricted-imports': 'off', 'no-restricted-globals': 'off' } },
];
