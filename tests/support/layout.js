// Words that lie over each other, cut figures, and what is wider than its window. Answers sentences; none where all is well.
// Run in a page; `arguments[0]` is the selector of the part that is looked at.
const root = document.querySelector(arguments[0]);
if (!root) return [`there is no ${arguments[0]}`];
const found = [];
const say = (text) => (text.length > 40 ? `${text.slice(0, 40)}…` : text);

/** What of a box is seen: within everything around it that cuts off. */
function seen(element, box) {
  let { left, top, right, bottom } = box;
  for (let at = element; at && at !== document.documentElement; at = at.parentElement) {
    const style = getComputedStyle(at);
    if (style.visibility === 'hidden' || style.display === 'none' || Number(style.opacity) === 0 || at.classList.contains('pd-sr')) return null;
    if (style.overflowX === 'visible' && style.overflowY === 'visible') continue;
    if (at.namespaceURI === 'http://www.w3.org/2000/svg') continue;
    const frame = at.getBoundingClientRect();
    left = Math.max(left, frame.left);
    right = Math.min(right, frame.right);
    top = Math.max(top, frame.top);
    bottom = Math.min(bottom, frame.bottom);
  }
  return right - left > 1 && bottom - top > 1 ? { left, top, right, bottom } : null;
}

const words = [];
const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const text = node.data.trim();
  const element = node.parentElement;
  if (text === '' || !element || element.closest('script, style, [role=menu], [data-testid=toast], [data-testid=jobs]')) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  for (const box of range.getClientRects()) {
    const part = seen(element, box);
    // Lines have more height than their letters: what touches only there does not collide.
    if (part) words.push({ text, element, left: part.left, right: part.right, top: part.top + 2, bottom: part.bottom - 2 });
  }
  // A figure and its unit are one word.
  const figure = /\d[\u2009\u202f][%a-zA-Zµ]/.exec(node.data);
  if (figure) {
    range.setStart(node, figure.index);
    range.setEnd(node, figure.index + figure[0].length);
    const lines = [...range.getClientRects()].map((box) => Math.round(box.top));
    if (new Set(lines).size > 1) found.push(`a figure breaks over two lines: "${say(text)}"`);
  }
}
for (let i = 0; i < words.length; i += 1) {
  for (let k = i + 1; k < words.length; k += 1) {
    const [a, b] = [words[i], words[k]];
    if (a.element === b.element) continue;
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 1 && high > 1) found.push(`"${say(a.text)}" and "${say(b.text)}" lie over each other by ${wide.toFixed(0)} x ${high.toFixed(0)} px`);
  }
}
for (const element of [document.scrollingElement, root, ...root.querySelectorAll('*')]) {
  const over = element.scrollWidth - element.clientWidth;
  const scrolls = ['auto', 'scroll'].includes(getComputedStyle(element).overflowX) || element === document.scrollingElement;
  if (scrolls && element.clientWidth > 0 && over > 1) found.push(`${element.tagName.toLowerCase()}.${element.className} is ${over} px wider than what is seen of it`);
}
for (const element of root.querySelectorAll('*')) {
  const style = getComputedStyle(element);
  if (!/^"?JetBrains/.test(style.fontFamily) || element.closest('.pd-sr')) continue;
  if (style.fontVariantLigatures !== 'none' && !/"calt" 0/.test(style.fontFeatureSettings)) {
    found.push(`code has ligatures: ${element.tagName.toLowerCase()} "${say(element.textContent ?? '')}"`);
  }
}
return [...new Set(found)].slice(0, 20);
