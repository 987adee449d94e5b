// @vitest-environment jsdom
import { afterEach, expect, test } from 'vitest';
import { boxOf, clearest, type Corner } from './clear';

const WINDOW = { width: 1440, height: 900 };
const SIZE = { width: 300, height: 32 };
const LEFT = 156;

/** A window in which what is given stands in these corners, under messages that stand in one of them. */
function stand(parts: Partial<Record<Corner, string>>): Element {
  document.body.innerHTML = `<div id="own"></div>${Object.entries(parts)
    .map(([corner, html]) => `<div id="${corner}">${html}</div>`)
    .join('')}`;
  const own = document.getElementById('own')!;
  document.elementsFromPoint = (x, y) => {
    const corner = Object.keys(parts).find((c) => {
      const box = boxOf(c as Corner, SIZE, WINDOW, LEFT);
      return x >= box.left && x <= box.left + box.width && y >= box.top && y <= box.top + box.height;
    });
    const under = corner ? document.getElementById(corner)!.firstElementChild : null;
    return under ? [own, under] : [own, document.body];
  };
  return own;
}
const placed = (parts: Partial<Record<Corner, string>>, now: Corner = 'end'): Corner => clearest(now, stand(parts), SIZE, WINDOW, LEFT);

afterEach(() => Reflect.deleteProperty(document, 'elementsFromPoint'));

test('messages stand at the lower right where nothing is to be pressed there', () => {
  expect(placed({})).toBe('end');
  expect(placed({ end: '<p>text</p>' })).toBe('end');
});

test('an action under them sends them to a corner without one, and what a dialog or a drawer asks for before all', () => {
  const [button, chosen] = ['<button>Copy</button>', '<button data-acts>Terminate</button>'];
  expect(placed({ end: button })).toBe('start');
  expect(placed({ end: button, start: button })).toBe('top');
  expect(placed({ end: chosen, start: button, top: button }), 'the lesser harm').toBe('start');
});

test('they do not wander: where another corner is no better they stay', () => {
  expect(placed({}, 'top')).toBe('top');
  expect(placed({ top: '<button>Copy</button>' }, 'top')).toBe('end');
});
