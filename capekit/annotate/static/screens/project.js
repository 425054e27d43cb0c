// Names, links, left/right pairs; images and labels to add.

import {h} from '/static/html.js';
import {store} from '/static/store.js';
import {postFile, put} from '/static/server.js';

export function projectScreen(main, show) {
  const page = h('div', {class: 'page'});
  main.append(page);
  const again = () => main.isConnected && projectScreen(clear(main), show);
  const change = async (schema) => { await store.setSchema(schema); again(); };
  const broken = store.images.filter((image) => image.problem);

  page.append(
    h('h2', {}, 'Images'),
    h('p', {}, `${store.images.length} in the folder ${store.folder}, ${store.images.filter((image) => store.isLabelled(image)).length} labelled.`),
    ...broken.map((image) => h('p', {class: 'quiet'}, `${image.problem}`)),
    h('div', {class: 'row'}, 'Add images', h('input', {type: 'file', multiple: true, accept: 'image/*', 'aria-label': 'Add images',
      onchange: async (event) => {
        const problems = [];
        for (const file of event.target.files) {
          await put(`/api/upload/${encodeURIComponent(file.name)}`, file).catch((error) => problems.push(error));
        }
        await store.load();
        again();
        if (problems.length) throw Object.assign(problems[0], {message: problems.map(({message}) => message).join('; ')});
      }})),
    h('div', {class: 'row'}, 'Import labels', h('input', {type: 'file', 'aria-label': 'Import labels', onchange: async (event) => {
      const [file] = event.target.files;
      event.target.value = '';  // a corrected file of the same name is a change too
      const {text, refused} = await postFile(`/api/import?name=${encodeURIComponent(file.name)}`, file);
      await store.load();
      again();
      main.querySelector('.imported').append(text, h('ul', {}, refused.map((line) => h('li', {}, line))));
    }})),
    h('div', {class: 'imported quiet', role: 'status'}),

    h('h2', {}, 'What is in them'),
    h('div', {class: 'row'}, h('input', {value: store.category, 'aria-label': 'Category',
      onchange: (event) => change({category: event.target.value.trim()})})),

    h('h2', {}, 'Keypoints'),
    h('table', {}, store.keypoints.map((keypoint, index) => h('tr', {},
      h('td', {}, h('input', {value: keypoint.name, 'aria-label': `Name of keypoint ${index + 1}`,
        onchange: (event) => change({keypoints: store.keypoints.map((each) => (each === keypoint ? {...each, name: event.target.value.trim()} : each))})})),
      h('td', {}, h('button', {type: 'button', 'aria-label': `Move ${keypoint.name} up`, disabled: index === 0, onclick: () => change({keypoints: swap(store.keypoints, index)})}, '↑'),
        ' ', h('button', {type: 'button', 'aria-label': `Remove ${keypoint.name}`, onclick: () => change({
          keypoints: store.keypoints.filter((each) => each !== keypoint),
          links: store.links.filter((pair) => !pair.includes(keypoint.id)),
          pairs: store.pairs.filter((pair) => !pair.includes(keypoint.id))})}, 'remove')),
      h('td', {class: 'quiet'}, `${used(keypoint.id)} images`)))),
    h('form', {class: 'row', onsubmit: (event) => {
      event.preventDefault();
      const names = event.target.elements.names.value.split(/[,\n]/).map((name) => name.trim()).filter(Boolean);
      if (names.length) change({keypoints: [...store.keypoints, ...names.map((name) => ({id: null, name}))]}).then(() => main.querySelector('[name=names]').focus());
    }}, h('input', {name: 'names', size: 50, placeholder: 'nose, left ear, right ear, tail base', 'aria-label': 'New keypoints'}),
    h('button', {}, 'Add')),
    ...pairTable('Links', 'drawn between keypoints', 'links', change),
    ...pairTable('Left and right', 'each other\'s mirror image', 'pairs', change),
    h('p', {}, h('button', {class: 'primary', type: 'button', disabled: !store.keypoints.length || !store.images.length,
      onclick: () => show('Label')}, 'Label five images')));
  return {redraw: again};
}

function pairTable(title, what, key, change) {
  const names = Object.fromEntries(store.keypoints.map(({id, name}) => [id, name]));
  const choose = (label) => h('select', {'aria-label': label}, store.keypoints.map(({id, name}) => h('option', {value: id}, name)));
  const [a, b] = [choose(`${title}: first`), choose(`${title}: second`)];
  return [h('h2', {}, title, ' ', h('span', {class: 'quiet'}, what)),
    h('div', {class: 'row'}, store[key].map((pair) => h('button', {type: 'button', title: 'remove',
      onclick: () => change({[key]: store[key].filter((each) => each !== pair)})}, `${names[pair[0]]} – ${names[pair[1]]} ×`))),
    h('div', {class: 'row'}, a, b, h('button', {type: 'button', disabled: store.keypoints.length < 2,
      onclick: () => change({[key]: [...store[key], [a.value, b.value]]})}, 'Add'))];
}

function used(id) {
  return store.images.filter((image) => Object.values(store.of(image)).some(({points}) => points[id])).length;
}

function swap(list, index) {
  const copy = [...list];
  [copy[index - 1], copy[index]] = [copy[index], copy[index - 1]];
  return copy;
}

function clear(element) {
  element.replaceChildren();
  return element;
}
