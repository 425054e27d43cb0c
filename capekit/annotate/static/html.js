// Elements from a tag, properties and children; text never becomes markup.

const SVG = 'http://www.w3.org/2000/svg';
const SVG_TAGS = new Set(['svg', 'g', 'image', 'circle', 'line', 'rect', 'title', 'text']);

export function h(tag, properties = {}, ...children) {
  const element = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key === 'style') for (const [name, text] of Object.entries(value)) element.style.setProperty(name, text);
    else if (value === true) element.setAttribute(key, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const colour = (index, count) => `hsl(${Math.round((index * 360) / Math.max(count, 1))} 85% 55%)`;
export const seconds = (value) => (value === null ? '' : value < 90 ? `${value} s left` : `${Math.round(value / 60)} min left`);
