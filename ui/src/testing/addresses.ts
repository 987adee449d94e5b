// Addresses as the engine reads them, for tests.
import type { AddressInfo } from '../backend/types';

/** An address of PostgreSQL as it was read. */
export const addressInfo = (of: Partial<AddressInfo> = {}): AddressInfo => ({
  address: {
    scheme: 'postgres',
    hosts: [{ host: 'db.example', port: 5432 }],
    path: 'app',
    username: 'reader',
    tls: 'verify',
    params: {},
  },
  role: 'database',
  has_password: false,
  product: 'PostgreSQL',
  short: 'db.example',
  url: 'postgres://reader@db.example/app',
  ...of,
});
