// @vitest-environment jsdom
import { render, screen } from '@testing-library/svelte';
import { describe, expect, test } from 'vitest';
import Fix from './Fix.svelte';

describe('what mends something', () => {
  test('a statement is offered as one', () => {
    render(Fix, { text: 'GRANT pg_monitor TO reader;' });
    expect(screen.getByTestId('copy-fix').textContent).toBe('Copy statement');
  });
  test.each(['# in my.cnf, then restart the server\n[mysqld]\nperformance_schema = ON', 'redis-cli --cluster check HOST:PORT'])(
    'a setting or a command is copied, but is no statement: %s',
    (text) => {
      render(Fix, { text });
      expect(screen.getByTestId('copy-fix').textContent).toBe('Copy');
    },
  );
  test.each(['Choose a probe path that answers with 200', 'A password is needed', 'Überprüfe die Adresse'])(
    'prose is read, never offered to be copied as a statement: %s',
    (text) => {
      render(Fix, { text });
      expect(screen.getByTestId('fix-words').textContent).toBe(text);
      expect(screen.queryByTestId('copy-fix')).toBeNull();
    },
  );
});
