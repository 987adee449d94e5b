import { expect, test } from 'vitest';
import { besides, isStatement } from './statements';

test.each([
  'GRANT pg_monitor TO "reader";',
  "GRANT PROCESS ON *.* TO 'u'@'%';",
  'ALTER USER u IDENTIFIED VIA mysql_native_password USING PASSWORD(...)',
  'SELECT pg_terminate_backend(7);',
  'VACUUM;',
  'ACL SETUSER perfdeck +info +ping',
])('%s is a statement', (text) => expect(isStatement(text)).toBe(true));

test.each([
  'Check the spelling, the VPN and the DNS server',
  'Is the server running, is the port right, and does it listen on this address?',
  'Set PERFDECK_PASSPHRASE',
  "chmod u+r 'x.db', or open Perfdeck as the file's owner",
  'GRANT is missing. Ask whoever runs the server',
  'Update the server',
])('%s is prose', (text) => expect(isStatement(text)).toBe(false));

test('prose that is said as a whole anyway is not repeated', () => {
  expect(besides('Check the port', 'Check the port')).toBeNull();
  expect(besides('GRANT a TO b;', 'GRANT a TO b;')).toBe('GRANT a TO b;');
  expect(besides('Check the port', null)).toBe('Check the port');
  expect(besides(null, null)).toBeNull();
});
