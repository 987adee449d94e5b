import svelteParser from 'svelte-eslint-parser';
import tseslint from 'typescript-eslint';

// Only the backend folder knows a transport (ARCHITECTURE.md, invariant 2).
const transport = [{ group: ['@tauri-apps/*'], message: 'Only src/backend knows a transport.' }];
// The engine's clock tells the time (`kit/time.svelte.ts`): a browser may be on another machine, and its clock wrong.
const TIME = "The time of day is the engine's: `now` of kit/time. What only measures has performance.now().";
const clocks = [
  { selector: 'CallExpression[callee.object.name="Date"][callee.property.name="now"]', message: TIME },
  { selector: ':matches(NewExpression, CallExpression)[callee.name="Date"][arguments.length=0]', message: TIME },
];
const rules = {
  'no-restricted-syntax': ['error', ...clocks],
  'no-restricted-imports': ['error', { patterns: transport }],
  'no-restricted-globals': [
    'error',
    { name: 'fetch', message: 'Only src/backend knows a transport.' },
    { name: 'XMLHttpRequest', message: 'Only src/backend knows a transport.' },
    { name: 'EventSource', message: 'Only src/backend knows a transport.' },
    { name: 'WebSocket', message: 'Only src/backend knows a transport.' },
  ],
  'no-eval': 'error',
  'no-debugger': 'error',
  'no-console': ['error', { allow: ['warn', 'error'] }],
  eqeqeq: ['error', 'always'],
  '@typescript-eslint/no-explicit-any': 'error',
  '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
  '@typescript-eslint/consistent-type-imports': 'error',
};
const plugins = { '@typescript-eslint': tseslint.plugin };

export default [
  { ignores: ['src/backend/gen/**'] },
  { files: ['src/**/*.ts'], plugins, languageOptions: { parser: tseslint.parser }, rules },
  {
    files: ['src/**/*.svelte'],
    plugins,
    languageOptions: { parser: svelteParser, parserOptions: { parser: tseslint.parser } },
    rules: { ...rules, '@typescript-eslint/no-unused-vars': 'off' },
  },
  { files: ['src/kit/time.svelte.ts', 'src/**/*.test.ts', 'src/testing/**'], rules: { 'no-restricted-syntax': 'off' } },
  { files: ['src/backend/**/*.ts'], rules: { 'no-restricted-imports': 'off', 'no-restricted-globals': 'off' } },
];
