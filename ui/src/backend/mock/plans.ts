// Made-up plans: a list, a check that knows a few mistakes, and an import.
import type { ImportedPlan, PlanCheck, PlanProblem, SavedPlan } from '../types';

const named = (toml: string): string | null => /^\s*name\s*=\s*"([^"]*)"/m.exec(toml)?.[1] ?? null;

const problem = (over: Partial<PlanProblem>): PlanProblem => ({ error: true, step: null, field: '', message: '', line: null, ...over });

function check(text: string): PlanCheck {
  const problems: PlanProblem[] = [];
  text.split('\n').forEach((line, i) => {
    if (/^[^#=[]*[^#=[\s,\]}][^#=[]*$/.test(line) && !/^\s*[\]}"]/.test(line))
      problems.push(problem({ line: i + 1, message: 'expected `=`; a line is `key = value` or `[table]`' }));
  });
  if (problems.length > 0) return { name: null, request: null, ok: false, problems: problems.slice(0, 1), variables: [] };
  if (!named(text)) problems.push(problem({ field: 'name', message: 'a plan has a name of at most 200 bytes' }));
  if (!text.includes('[[steps]]')) problems.push(problem({ field: 'steps', message: '0 steps; a plan has 1 to 1000' }));
  for (const m of text.matchAll(/thresholds = \[(.*)\]/g))
    if (m[1]!.includes('p42 >'))
      problems.push(problem({ field: 'thresholds', message: "'p42 >': write METRIC < NUMBER UNIT, such as p99 < 50ms" }));
  const step = /\[\[steps\]\]\s*\nname = "([^"]*)"\nkind = "http"\npath = "[^/{?]/.exec(text)?.[1];
  if (step) problems.push(problem({ step, field: 'path', message: 'a path starts with /; write a full address as `url`' }));
  if (/Authorization = "Bearer [^{]/.test(text))
    problems.push(
      problem({
        error: false,
        step: /name = "([^"]*)"[^[]*Authorization/.exec(text)?.[1] ?? null,
        field: 'headers.Authorization',
        message: 'it looks like a secret; write {{env:NAME}} instead of the value',
      }),
    );
  const steps = [...text.matchAll(/\[\[steps\]\]/g)].length;
  const path = /path = "([^"]*)"/.exec(text)?.[1];
  return {
    name: named(text),
    request: steps > 1 ? `${path ? `GET ${path}` : 'its first step'} and ${steps - 1} more` : path ? `GET ${path}` : `${steps} step`,
    ok: problems.every((p) => !p.error),
    problems,
    variables: [...new Set([...text.matchAll(/env:([A-Z_]+)/g)].map((m) => m[1]!))],
  };
}

export class MockPlans {
  plans: SavedPlan[] = [];

  constructor(empty: boolean, toml: readonly string[]) {
    if (!empty)
      this.plans = toml.map((text, i) => ({
        id: `plan-${i + 1}`,
        name: named(text) ?? 'unfinished',
        toml: text,
        updated_ms: Date.now() - (i + 1) * 7.3e6,
      }));
  }

  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  call(name: string, p: any): unknown {
    switch (name) {
      case 'plan.list':
        return this.plans;
      case 'plan.check':
        return check(p.text);
      case 'plan.save': {
        const plan = { id: p.id ?? `plan-${Date.now()}`, name: named(p.toml) ?? 'unfinished', toml: p.toml, updated_ms: Date.now() };
        this.plans = [plan, ...this.plans.filter((x) => x.id !== plan.id)];
        return plan;
      }
      case 'plan.delete':
        this.plans = this.plans.filter((x) => x.id !== p.id);
        return true;
      case 'plan.import':
        if (!p.text.trim().startsWith('curl'))
          throw { code: 'bad_request', message: 'line 1 is no such text', hint: 'Only curl is made up here', retryable: false };
        return {
          toml: `name = "imported"\n\n[[steps]]\nname = "GET /appointments"\nkind = "http"\npath = "/appointments"\nheaders = { Authorization = "{{env:AUTHORIZATION}}" }\n`,
          notes: [
            'the value of Authorization became the environment variable AUTHORIZATION',
            '--compressed was left out: Accept-Encoding is a header',
          ],
        } satisfies ImportedPlan;
      default:
        return undefined;
    }
  }
}
