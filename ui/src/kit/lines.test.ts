import { describe, expect, it } from 'vitest';
import { lineOf, spanOfLine } from './lines';

describe('the line of a refusal', () => {
  it('is read from the message', () => {
    expect(lineOf('Line 3 of the .env file cannot be read: a quote is opened and never closed')).toBe(3);
    expect(lineOf('DB_PORT (line 12) is not a port')).toBe(12);
    expect(lineOf('No target is named here')).toBeNull();
  });
  it('is found in the text', () => {
    const text = 'A=1\nB="2\n\nC=3';
    expect(text.slice(...spanOfLine(text, 2))).toBe('B="2');
    expect(text.slice(...spanOfLine(text, 4))).toBe('C=3');
    expect(spanOfLine(text, 9)).toEqual([text.length - 3, text.length]);
  });
});
