// Whether the engine is heard, for tests: it changes as that of the window does.
export class FakeHeard {
  now = $state(true);
}
