// Names of the stages of a connection test.
import type { StageName } from '../backend/types';

const NAMES: Record<StageName, string> = {
  address: 'Address',
  dns: 'Name',
  tcp: 'Port',
  tls: 'TLS',
  authentication: 'Sign-in',
  version: 'Version',
  privileges: 'Privileges',
  extensions: 'Extensions',
  file: 'File',
};

export const stageName = (stage: StageName): string => NAMES[stage];
