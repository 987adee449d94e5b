// @vitest-environment jsdom
import { render } from '@testing-library/svelte';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { now } from '../../kit/time.svelte';
import Lanes from './Lanes.svelte';

const AT = new Date(2026, 10, 29, 14, 5, 30).getTime();
beforeEach(() => void vi.spyOn(now, 'read').mockReturnValue(AT));
afterEach(() => void vi.restoreAllMocks());

const draw = (): HTMLElement => render(Lanes).container.querySelector('aside')!;
const all = (within: HTMLElement, what: string): string[] => [...within.querySelectorAll(what)].map((e) => e.textContent!.trim());

describe('the lanes of an environment that is not there yet', () => {
  test('is a picture: nothing of it is read out or takes the focus', () => {
    const lanes = draw();
    expect(lanes.getAttribute('aria-hidden')).toBe('true');
    expect(lanes.querySelector('button, a, input, [tabindex]')).toBeNull();
  });
  test('names what each tier needs', () => {
    expect(all(draw(), '.band')).toEqual([
      'APIneeds an HTTP address',
      'Hostneeds this machine',
      'Databaseneeds a SQL database',
      'Cacheneeds Redis or Valkey',
    ]);
  });
  test('names the lanes that each tier would have', () => {
    expect(all(draw(), '.lane').length).toBe(12);
    expect(all(draw(), '.lane').slice(0, 3)).toEqual(['Requests', 'Errors', 'Latency']);
  });
  test('claims no value: no sample, no figure', () => {
    const lanes = draw();
    expect(lanes.querySelector('.ruler span')?.textContent).toBe('no samples yet');
    expect(all(lanes, '.lane').join(''), 'no digit in a lane').not.toMatch(/\d/);
    expect(lanes.querySelector('canvas, svg, path')).toBeNull();
  });
  test('its clock has whole minutes up to now, a minute apart', () => {
    const lanes = draw();
    const labels = [...lanes.querySelectorAll<HTMLElement>('.plot b')];
    expect(labels.slice(0, 2).map((l) => l.textContent)).toEqual(['14:05', '14:04']);
    expect(
      labels.slice(0, 2).map((l) => l.style.right),
      'one pixel is one second',
    ).toEqual(['30px', '90px']);
  });
  test('its ruler and its grid are the same lines', () => {
    const lanes = draw();
    const at = (what: string): string[] => [...lanes.querySelectorAll<HTMLElement>(what)].map((i) => i.style.right);
    expect(at('.grid i')).toEqual(at('.plot i'));
  });
});
