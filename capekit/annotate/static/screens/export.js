// Files for other tools.

import {h} from '/static/html.js';
import {get, post} from '/static/server.js';

export async function exportScreen(main) {
  const {formats} = await get('/api/formats'), written = h('ul');
  const boxes = formats.map(({name, about}) => [name, h('label', {style: {display: 'block'}},
    h('input', {type: 'checkbox', value: name, checked: name === 'coco'}), ` ${name} `, h('span', {class: 'quiet'}, about))]);
  const button = h('button', {class: 'primary', type: 'button', onclick: async () => {
    const chosen = boxes.map(([, label]) => label.querySelector('input')).filter((box) => box.checked).map((box) => box.value);
    const {files, notes} = await post('/api/export', {formats: chosen});
    written.replaceChildren(...files.map((file) => h('li', {}, h('a', {href: `/export/${encodeURIComponent(file)}`, download: file}, file))),
      ...notes.map((note) => h('li', {class: 'quiet'}, note)));
  }}, 'Write');
  main.append(h('div', {class: 'page'}, h('h2', {}, 'Export'),
    h('p', {}, 'Labels and predictions together: what you labelled, accepted or corrected, and the rest as predicted, with scores. Rejected animals are left out.'),
    ...boxes.map(([, label]) => label), h('div', {class: 'row'}, button), written));
}
