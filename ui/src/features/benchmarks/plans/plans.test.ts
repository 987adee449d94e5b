import { describe, expect, it } from 'vitest';
import { indented, lineAt, lineOf, lineStart, newLine, outline } from './editing';
import { guessOrigin } from './origins';
import { TEMPLATES } from './templates';
import { tint } from './tint';

const TEXT = TEMPLATES.find((t) => t.key === 'scenario')!.toml;
const at = (line: number): string => TEXT.split('\n')[line - 1] ?? '';
const find = (field: string, step: string | null = null, line: number | null = null): number | null => lineOf(TEXT, { line, step, field });

describe('lines', () => {
  it('begin where they do', () => {
    expect(lineStart('a\nbc\n', 2)).toBe(2);
    expect(lineStart('a\nbc', 9)).toBe(2);
    expect(lineAt('a\nbc\n', 3)).toBe(2);
  });
  it('of a problem are those it names', () => expect(find('x', null, 7)).toBe(7));
  it('of a field at the top, in a table, in a feed', () => {
    expect(at(find('thresholds')!)).toMatch(/^thresholds/);
    expect(at(find('load.max_in_flight')!)).toBe('max_in_flight = 200');
    expect(at(find('load')!)).toBe('[load]');
    expect(at(find('auth.step')!)).toBe('step = "login"');
    expect(find('feeds.user')).toBe(TEXT.split('\n').indexOf('[[feeds]]') + 1);
  });
  it('of a step are its own, not those of another step with the same field', () => {
    expect(at(find('path', 'browse')!)).toContain('/appointments?limit');
    expect(at(find('checks[1]', 'book')!)).toContain('409');
    expect(at(find('nothing', 'book')!)).toBe('[[steps]]');
    expect(find('path', 'no such step')).toBeNull();
    expect(at(find('thresholds', 'book')!)).toMatch(/^thresholds/);
  });
  it('of a table below its step belong to it', () => {
    const text = '[[steps]]\nname = "a"\n\n[[steps.checks]]\nstatus = 200\n\n[[steps]]\nname = "b"\n';
    expect(lineOf(text, { line: null, step: 'a', field: 'checks[1]' })).toBe(4);
    expect(lineOf(text, { line: null, step: 'b', field: 'checks[1]' })).toBe(7);
  });
});

describe('keys', () => {
  it('indent at the cursor, or all lines of a selection', () => {
    expect(indented('ab', 1, 1, false)).toEqual({ from: 1, to: 1, text: '  ', start: 3, end: 3 });
    expect(indented('a\nb\nc', 0, 3, false)).toEqual({ from: 0, to: 3, text: '  a\n  b', start: 2, end: 7 });
  });
  it('take the indentation back, and do nothing where there is none', () => {
    expect(indented('  a\nb', 3, 3, true)).toEqual({ from: 0, to: 3, text: 'a', start: 1, end: 1 });
    expect(indented('a', 0, 0, true)).toBeNull();
  });
  it('keep the indentation on a new line', () => {
    expect(newLine('  a', 3)).toBe('\n  ');
    expect(newLine('a', 1)).toBe('\n');
  });
});

describe('outline', () => {
  it('reads steps, kinds and load', () => {
    expect(outline(TEXT)).toEqual({ steps: 3, kinds: ['http'], load: 'open loop, 20/s' });
    expect(outline('').load).toBe('closed loop, 10 connections');
    expect(outline(TEMPLATES.find((t) => t.key === 'stages')!.toml).load).toBe('open loop, in stages');
  });
});

describe('templates', () => {
  it('are told apart, name themselves and have steps', () => {
    expect(new Set(TEMPLATES.map((t) => t.key)).size).toBe(5);
    for (const t of TEMPLATES) {
      expect(t.toml).toMatch(/^# /);
      expect(t.toml).toMatch(/\nname = "/);
      expect(outline(t.toml).steps, t.key).toBeGreaterThan(0);
      expect(outline(t.toml).kinds, t.key).not.toContain('?');
    }
  });
});

describe('tint', () => {
  it('loses and adds nothing', () => {
    for (const t of TEMPLATES) {
      const back = tint(t.toml).map((line) => line.map((w) => w.text).join(''));
      expect(back.join('\n')).toBe(t.toml);
    }
    const odd = 'a = """x {{y}}\nz""" # c\nb = \'it\' # d\nc = "# no"\nd = [1, 2.5e3, true] é "open';
    expect(
      tint(odd)
        .map((l) => l.map((w) => w.text).join(''))
        .join('\n'),
    ).toBe(odd);
  });
  it('knows tables, keys, texts, slots, numbers and comments', () => {
    expect(tint('[[steps]]')[0]).toEqual([{ kind: 'table', text: '[[steps]]' }]);
    expect(tint('a = "x{{y}}" # "c"')[0]!.map((w) => w.kind)).toEqual(['key', 'plain', 'text', 'slot', 'text', 'plain', 'comment']);
    expect(tint('n = 100_000')[0]!.at(-1)).toEqual({ kind: 'number', text: '100_000' });
    expect(tint("a = '''\nx # no\n''' # yes")[1]).toEqual([{ kind: 'text', text: 'x # no' }]);
  });
});

describe('imports', () => {
  it('are recognised by how they begin', () => {
    expect(guessOrigin("$ curl 'http://x'")).toBe('curl');
    expect(guessOrigin('{"openapi":"3.1.0"}')).toBe('openapi');
    expect(guessOrigin('{ "log": {} }')).toBe('har');
    expect(guessOrigin('1.2.3.4 - - [12/Nov/2026:14:03:11 +0000] "GET / HTTP/1.1" 200 5')).toBe('access_log');
    expect(guessOrigin('{"ts":1,"request":{"method":"GET","uri":"/"},"status":200}\n{"ts":2}')).toBe('access_log');
    expect(guessOrigin('{"log":"1.2.3.4 - - [x] \\"GET / HTTP/1.1\\" 200 5","stream":"stdout"}\n')).toBe('access_log');
    expect(guessOrigin('hello')).toBeNull();
  });
});
