// How well the labelled images predict each other, and adapting the network to them.

import {h} from '/static/html.js';
import {get, post} from '/static/server.js';
import {store} from '/static/store.js';
import {jobBar} from '/static/screens/job.js';

export function checkScreen(main) {
  const result = h('div'), length = h('select', {'aria-label': 'How long'},
    [[0, 'not at all: compare features'], [20, '20 seconds'], [60, 'a minute'], [180, 'three minutes'], [600, 'ten minutes']].map(
      ([value, text]) => h('option', {value, selected: value === 60}, text)));
  const labelled = store.images.filter((image) => store.isLabelled(image)).length;
  const bar = jobBar(draw);
  main.append(h('div', {class: 'page'},
    h('h2', {}, 'Adapt to the labelled images'),
    h('p', {}, `${labelled} images are labelled. The network learns on them; then each labelled image is predicted from the others, which tells what to expect.`),
    h('div', {class: 'row'}, 'Adapt', length, h('button', {class: 'primary', type: 'button', disabled: !labelled,
      onclick: () => post('/api/job/adapt', {seconds: Number(length.value)})}, 'Start')),
    bar.row, result));

  async function draw() {
    const report = await get('/api/report');
    if (!report.rows) return;
    result.replaceChildren(h('h2', {}, 'What to expect'), ...report.notes.map((note) => h('p', {}, note)),
      h('table', {}, h('tr', {}, h('th', {}, 'keypoint'), h('th', {}, 'labelled in'), h('th', {}, 'error when left out, % of the box'), h('th', {}, '95 % interval')),
        report.rows.map((row) => h('tr', {}, h('td', {}, row.name), h('td', {}, `${row.supports} images`),
          h('td', {}, row.error === null ? '–' : row.error.toFixed(1)),
          h('td', {}, row.low === null ? '–' : `${row.low.toFixed(1)} – ${row.high.toFixed(1)}`)))));
  }
  draw();
  return {end: bar.end};
}
