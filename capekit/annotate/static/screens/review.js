// Worst first: Enter accepts, a drag corrects, x rejects. A random share gives an accuracy that the order does not bias.

import {h} from '/static/html.js';
import {get} from '/static/server.js';
import {store} from '/static/store.js';
import {View} from '/static/view.js';

export async function reviewScreen(main, show) {
  const {predictions, round} = await get('/api/predictions');
  if (!predictions.length) {
    main.append(h('div', {class: 'page'}, h('p', {}, 'Nothing is predicted yet. ', h('button', {type: 'button', onclick: () => show('Predict')}, 'Predict'))));
    return null;
  }
  const decided = (each) => store.decisions[each.image]?.[each.animal];
  let at = Math.max(predictions.findIndex((each) => !decided(each)), 0), current = null;
  const changed = new Map();  // prediction -> its corrected points
  const view = new View({
    move: (id, point) => { current = id; edit({...points(), [id]: point}); },
    place: (x, y, hidden) => { if (current) edit({...points(), [current]: [x, y, hidden ? 1 : 2]}); },
  });
  const [left, right] = [h('aside'), h('aside', {class: 'right'})];
  main.append(h('div', {class: 'work'}, left, h('div', {class: 'view'}, view.svg, h('div', {class: 'keys quiet'},
    [['Enter', 'accept'], ['drag', 'correct'], ['x', 'reject'], ['j k', 'next, previous keypoint'], ['Del', 'not visible at all'], ['n p', 'next, previous'], ['u', 'as predicted']].map(([key, what]) => [h('kbd', {}, key), ` ${what}  `]))), right));

  const points = () => changed.get(predictions[at]) ?? store.of({name: predictions[at].image})[predictions[at].animal]?.points ?? predictions[at].points;
  function edit(next) { changed.set(predictions[at], next); draw(); }

  function decide(decision) {
    const each = predictions[at];
    store.decide(store.images.find(({name}) => name === each.image), each, decision, points(), round);
    go(1);
  }

  function go(by) {
    at = Math.min(Math.max(at + by, 0), predictions.length - 1);
    current = null;
    draw();
  }

  function step(by) {
    const ids = store.keypoints.map(({id}) => id);
    current = ids[(ids.indexOf(current) + by + ids.length) % ids.length];
    draw();
  }

  function remove() {
    const {[current]: gone, ...rest} = points();
    if (gone) edit(rest);
  }

  const actions = {
    Enter: () => decide(changed.has(predictions[at]) ? 'correct' : 'accept'), x: () => decide('reject'),
    n: () => go(1), p: () => go(-1), ArrowRight: () => go(1), ArrowLeft: () => go(-1), j: () => step(1), k: () => step(-1),
    Delete: remove, Backspace: remove, u: () => { changed.delete(predictions[at]); draw(); }};

  function accuracy() {
    const share = predictions.filter((each) => each.random && decided(each));
    if (!share.length) return 'Decide the images marked “random” for an honest accuracy.';
    const right = share.filter((each) => decided(each) === 'accept').length;
    return `Random share: ${right} of ${share.length} accepted as they were.`;
  }

  function draw() {
    const each = predictions[at];
    view.show(store.images.find(({name}) => name === each.image));
    view.set(points(), store.keypoints, store.links, {box: each.box, current,
      titles: Object.fromEntries(store.keypoints.map(({id, name}) => [id, `${name}: score ${each.scores[id]?.toFixed(2) ?? '–'}`]))});
    const done = predictions.filter(decided).length;
    left.replaceChildren(h('p', {class: 'quiet'}, `${done} of ${predictions.length} decided`), h('p', {class: 'quiet'}, accuracy()),
      h('ul', {class: 'list'}, predictions.map((other, index) => h('li', {}, h('button', {type: 'button', 'aria-current': index === at ? 'true' : null,
        onclick: () => { at = index; current = null; draw(); }}, h('span', {}, other.image), h('span', {class: 'quiet'}, decided(other) ?? (other.random ? 'random' : '')))))));
    left.querySelector('[aria-current]')?.scrollIntoView({block: 'nearest'});
    right.replaceChildren(h('p', {}, `Number ${each.rank}`), h('p', {class: 'reason'}, each.reason), h('div', {class: 'row'},
      h('button', {type: 'button', class: 'primary', onclick: actions.Enter}, changed.has(each) ? 'Save correction' : 'Accept'),
      h('button', {type: 'button', onclick: actions.x}, 'Reject')),
    h('ul', {class: 'list'}, store.keypoints.map(({id, name}) => h('li', {}, h('button', {type: 'button', 'aria-current': id === current ? 'true' : null,
      onclick: () => { current = id; draw(); }}, h('span', {}, name), h('span', {class: 'quiet'}, points()[id] ? each.scores[id]?.toFixed(2) ?? '' : 'none'))))));
  }

  const onKey = (event) => {
    if (event.target.matches('input, select') || event.metaKey || event.ctrlKey) return;
    const action = actions[event.key];
    if (action) { event.preventDefault(); action(); }
  };
  window.addEventListener('keydown', onKey);
  draw();
  return {end: () => window.removeEventListener('keydown', onKey),
    redraw: () => { if (store.round === round) draw(); else show('Review'); }};
}
