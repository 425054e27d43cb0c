// Placing points: a click places the current keypoint, a drag of a point moves it, each with an undo.

import {colour, h} from '/static/html.js';
import {store} from '/static/store.js';
import {View} from '/static/view.js';

const HELP = [['click', 'place'], ['right click', 'place hidden'], ['drag', 'move, or pan'], ['wheel', 'zoom'], ['n p', 'next, previous image'],
  ['j k', 'next, previous keypoint'], ['h', 'hidden'], ['b', 'box'], ['c', 'copy the last image'], ['Del', 'delete'], ['u', 'undo']];
const REVIEWED = ['accepted', 'corrected'];

export function labelScreen(main) {
  const images = store.images.filter((image) => !image.problem);
  if (!images.length || !store.keypoints.length) {
    main.append(h('div', {class: 'page'}, h('p', {}, 'First name the keypoints and add images, under Project.')));
    return null;
  }
  const unlabelled = images.findIndex((image) => !store.isLabelled(image));
  let image = images[Math.max(unlabelled, 0)], animal = 'a1', current = store.keypoints[0].id, sweep = false, lastShown = null;
  const undo = [];

  const points = () => store.of(image)[animal]?.points ?? {};
  const view = new View({
    place: (x, y, hidden) => { put({...points(), [current]: [x, y, hidden ? 1 : 2]}); advance(); },
    move: (id, point) => { current = id; put({...points(), [id]: point}); },
    box: (box) => { view.drawsBox = false; put(points(), box); },
  });
  const [left, right] = [h('aside'), h('aside', {class: 'right'})];
  main.append(h('div', {class: 'work'}, left, h('div', {class: 'view'}, view.svg,
    h('div', {class: 'keys quiet'}, HELP.map(([key, what]) => [h('kbd', {}, key), ` ${what}  `]))), right));

  function put(next, box = store.of(image)[animal]?.box ?? null) {
    const before = store.of(image)[animal] ?? null;
    undo.push([image, animal, before]);
    // What was accepted once stays the answer to a prediction, and says nothing of the image's other animals.
    store.setAnimal(image, animal, {points: next, box, origin: REVIEWED.includes(before?.origin) ? 'corrected' : 'drawn'});
    draw();
  }

  function advance() {
    if (sweep) { go(1, true); return; }
    const index = store.keypoints.findIndex(({id}) => id === current);
    const next = [...store.keypoints.slice(index + 1), ...store.keypoints.slice(0, index)].find(({id}) => !points()[id]);
    if (next) current = next.id;
    draw();
  }

  function go(by, keep = false) {
    const index = images.indexOf(image) + by;
    if (index < 0 || index >= images.length) return;
    open(images[index], keep);
  }

  function open(next, keep = false) {
    if (store.isLabelled(image)) lastShown = [image, animal];
    image = next;
    animal = Object.keys(store.of(image))[0] ?? 'a1';
    if (!keep) current = store.keypoints.find(({id}) => !points()[id])?.id ?? store.keypoints[0].id;
    draw();
  }

  const actions = {
    n: () => go(1), ArrowRight: () => go(1), p: () => go(-1), ArrowLeft: () => go(-1),
    j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1),
    h: () => { const point = points()[current]; if (point) put({...points(), [current]: [point[0], point[1], 3 - point[2]]}); },
    b: () => { view.drawsBox = !view.drawsBox; draw(); },
    c: copyLast, u: takeBack, Delete: remove, Backspace: remove,
  };

  function step(by) {
    const index = store.keypoints.findIndex(({id}) => id === current) + by;
    current = store.keypoints[(index + store.keypoints.length) % store.keypoints.length].id;
    draw();
  }

  function remove() {
    const {[current]: gone, ...rest} = points();
    if (gone) put(rest);
  }

  function takeBack() {
    const last = undo.pop();
    if (!last) return;
    [image, animal] = last;
    store.setAnimal(image, animal, last[2]);
    draw();
  }

  function copyLast() {
    const source = lastShown ?? [...images.slice(0, images.indexOf(image))].reverse().filter((each) => store.isLabelled(each)).map((each) => [each, Object.keys(store.of(each))[0]])[0];
    const from = source && store.of(source[0])[source[1]];
    if (!from || source[0] === image) return;
    const fits = Object.entries(from.points).filter(([, point]) => view.inside(point));
    put({...Object.fromEntries(fits), ...points()});
  }

  function draw() {
    view.show(image);
    view.set(points(), store.keypoints, store.links, {current, box: store.of(image)[animal]?.box ?? null});
    const ids = [...new Set([...Object.keys(store.of(image)), animal])];
    left.replaceChildren(h('p', {class: 'quiet'}, `${images.filter((each) => store.isLabelled(each)).length} of ${images.length} labelled`),
      h('ul', {class: 'list'}, images.map((each) => h('li', {}, h('button', {type: 'button', 'aria-current': each === image ? 'true' : null,
        onclick: () => open(each)}, h('span', {}, each.name), h('span', {}, store.isLabelled(each) ? '●' : ''))))));
    left.querySelector('[aria-current]')?.scrollIntoView({block: 'nearest'});
    right.replaceChildren(
      h('ul', {class: 'list'}, store.keypoints.map(({id, name}, index) => h('li', {}, h('button', {type: 'button', 'data-keypoint': name,
        'aria-current': id === current ? 'true' : null, onclick: () => { current = id; draw(); }},
      h('span', {}, name), h('span', {class: `dot${points()[id] ? ' set' : ''}`, style: {'--colour': colour(index, store.keypoints.length)}}),
      h('span', {class: 'quiet'}, points()[id]?.[2] === 1 ? 'hidden' : ''))))),
      h('div', {class: 'row'}, h('label', {}, h('input', {type: 'checkbox', checked: sweep, onchange: (event) => { sweep = event.target.checked; }}),
        ' this keypoint in all images')),
      h('div', {class: 'row'}, h('button', {type: 'button', onclick: actions.h}, 'Hidden'), h('button', {type: 'button', onclick: remove}, 'Delete point'),
        h('button', {type: 'button', onclick: takeBack, disabled: !undo.length}, 'Undo'), h('button', {type: 'button', onclick: copyLast}, 'Copy last'),
        h('button', {type: 'button', onclick: actions.b, 'aria-pressed': String(view.drawsBox)}, view.drawsBox ? 'Draw the box…' : 'Box')),
      h('div', {class: 'row'}, 'Animal', h('select', {'aria-label': 'Animal', onchange: (event) => { animal = event.target.value; draw(); }},
        ids.map((id) => h('option', {value: id, selected: id === animal}, id))),
      h('button', {type: 'button', onclick: () => { animal = store.newAnimal(image); current = store.keypoints[0].id; draw(); }}, 'Another'),
      h('button', {type: 'button', disabled: !store.of(image)[animal], onclick: () => {
        undo.push([image, animal, store.of(image)[animal]]);
        store.setAnimal(image, animal, null);
        draw();
      }}, 'Delete animal')));
  }

  const onKey = (event) => {
    if (event.target.matches('input:not([type=checkbox]), select') || event.metaKey || (event.ctrlKey && event.key !== 'z')) return;
    const action = event.ctrlKey ? takeBack : actions[event.key];
    if (action) { event.preventDefault(); action(); }
  };
  window.addEventListener('keydown', onKey);
  draw();
  // Taking back what is not the last change any more would undo that of somebody else.
  return {end: () => window.removeEventListener('keydown', onKey), redraw: () => { undo.length = 0; draw(); }};
}
