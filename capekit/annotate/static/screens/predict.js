// Where the animals are found, on twelve images first; then all of them.

import {h} from '/static/html.js';
import {get, post} from '/static/server.js';
import {store} from '/static/store.js';
import {View} from '/static/view.js';
import {jobBar} from '/static/screens/job.js';

const BOXES = [['find', 'find them'], ['drawn', 'the boxes that I drew'], ['whole', 'they fill the image']];

export function predictScreen(main, show) {
  const boxes = h('select', {'aria-label': 'Where the animals are'}, BOXES.map(([value, text]) => h('option', {value}, text)));
  const animals = h('input', {type: 'number', min: 1, max: 20, value: 1, 'aria-label': 'Animals per image'});
  const thumbs = h('div', {class: 'thumbs'}), summary = h('p');
  const settings = () => ({boxes: boxes.value, animals: Number(animals.value)});
  const bar = jobBar(draw);
  main.append(h('div', {class: 'page'},
    h('h2', {}, 'Predict the other images'),
    h('div', {class: 'row'}, 'Where are the animals?', boxes, 'At most', animals, 'per image'),
    h('div', {class: 'row'},
      h('button', {type: 'button', onclick: () => post('/api/job/try', settings())}, 'Try on twelve images'),
      h('button', {type: 'button', class: 'primary', onclick: () => post('/api/job/predict', settings())}, 'Predict all')),
    bar.row, summary, thumbs));

  async function draw() {
    const [all, tried] = await Promise.all([get('/api/predictions'), get('/api/predictions?try=1')]);
    summary.replaceChildren();
    if (all.predictions.length) summary.append(`${all.predictions.length} animals predicted. `, h('button', {type: 'button', onclick: () => show('Review')}, 'Review the worst'));
    thumbs.replaceChildren(...tried.predictions.map((prediction) => {
      const image = store.images.find(({name}) => name === prediction.image), view = new View();
      view.svg.setAttribute('class', 'image');
      view.show(image);
      view.set(prediction.points, store.keypoints, store.links, {box: prediction.box});
      return h('figure', {style: {margin: 0}}, view.svg, h('figcaption', {class: 'quiet'}, `${prediction.image}, box: ${prediction.found}`));
    }));
  }
  draw();
  return {end: bar.end};
}
