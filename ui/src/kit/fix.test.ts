// @vitest-environment jsdom
import { render, screen } from '@testing-library/svelte';
import { describe, expect, test } from 'vitest';
import Fix from './Fix.svelte';

describe('what mends something', () => {
  test('a statement is offered as one', () => {
    render(Fix, { text: 'GRANT pg_monitor TO reader;' });
    expect(screen.getByTestId('copy-fix').textContent).toBe('Copy statement');
  });
  test.each([
    'Choose a probe path that answers with 200',
    'A password is needed',
    'Überprüfe die Adresse',
    '# in my.cnf, then restart the server\n[mysqld]\nperformance_schema = ON',
  ])('prose is read, never offered to be copied as a statement: %s', (text) => {
    const { container } = render(Fix, { text });
    expect(container.textContent?.trim()).toBe(text);
    expect(screen.queryByTestId('copy-fix')).toBeNull();
  });
});
