// A shop with changes, for the tests of their screen.
import type { Change, ChangeConfirm, ChangeDetail } from '../../backend/types';
import type { fakeApp } from '../../testing/app';
import { refusal } from '../../testing/backend';
import { changeDetail } from '../../testing/changes';
import { job } from '../../testing/values';

/** Where the screen is shown. */
export const places = { path: '/changes', environment: { id: 'shop', name: 'shop', kind: 'staging', apiUrl: null, roles: ['database'] } };

/** A list that may change, and what the guards say about each of it. */
export function shop(first: Change[], guards: Partial<Omit<ChangeDetail, 'change'>> = {}) {
  const state = { list: first, guards, sent: [] as [string, ChangeConfirm][], started: job({ id: 'j1', kind: 'change', title: 'work' }) };
  const get = (id: string): Change => {
    const found = state.list.find((c) => c.id === id);
    if (!found) throw refusal(`There is no change '${id}'`);
    return found;
  };
  const handlers: Parameters<typeof fakeApp>[0] = {
    'changes.list': () => state.list,
    'changes.check': ({ id }) => changeDetail(get(id), state.guards),
    'changes.apply': (request) => {
      state.sent.push(['apply', request]);
      return state.started;
    },
    'changes.undo': (request) => {
      state.sent.push(['undo', request]);
      return state.started;
    },
    'job.get': () => state.started,
    'job.list': () => [],
  };
  return { state, handlers };
}
