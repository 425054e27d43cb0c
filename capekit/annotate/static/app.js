// The six screens. One store, read from the server for each of them; every change goes to both.

import {h} from '/static/html.js';
import {store} from '/static/store.js';
import {onSaving, unsaved} from '/static/server.js';
import {projectScreen} from '/static/screens/project.js';
import {labelScreen} from '/static/screens/label.js';
import {checkScreen} from '/static/screens/check.js';
import {predictScreen} from '/static/screens/predict.js';
import {reviewScreen} from '/static/screens/review.js';
import {exportScreen} from '/static/screens/export.js';

const SCREENS = {Project: projectScreen, Label: labelScreen, Check: checkScreen, Predict: predictScreen,
  Review: reviewScreen, Export: exportScreen};
const [main, steps, saved, problem] = ['screen', 'steps', 'saved', 'problem'].map((id) => document.getElementById(id));
let leave = () => {}, shown = null;

// A screen gets an element of its own, and returns what to do when it is left, and when the store has changed.
export async function show(name) {
  const place = h('div', {class: 'place'});
  leave();
  leave = store.redraw = () => {};
  shown = place;
  for (const button of steps.children) button.toggleAttribute('aria-current', button.textContent === name);
  main.replaceChildren(place);
  history.replaceState(null, '', `#${name}`);
  try {
    if (!unsaved()) await store.load();  // without the server, one goes on labelling
  } catch (error) {
    fail(error);
  }
  if (shown !== place) return;
  try {
    const {end = () => {}, redraw = () => {}} = await SCREENS[name](place, show) ?? {};
    if (shown === place) [leave, store.redraw] = [end, redraw]; else end();
  } catch (error) {
    fail(error);
  }
}

export function fail(error) {
  problem.querySelector('span').textContent = error.message;
  problem.hidden = false;
}

problem.querySelector('button').addEventListener('click', () => { problem.hidden = true; });
window.addEventListener('unhandledrejection', (event) => {
  if (event.reason.status) event.preventDefault();  // what the server refuses is no fault of the page
  fail(event.reason);
});
onSaving((count, {refusal, trouble} = {}) => {
  saved.textContent = trouble ? `${count} not saved: ${trouble}, trying again` : count ? 'saving…' : 'saved';
  saved.classList.toggle('unsaved', Boolean(trouble));
  if (refusal) fail(new Error(refusal));
});

await store.load();
document.getElementById('folder').textContent = store.folder;
steps.append(...Object.keys(SCREENS).map((name) => h('button', {type: 'button', onclick: () => show(name)}, name)));
const wanted = decodeURIComponent(location.hash.slice(1));
show(SCREENS[wanted] ? wanted : store.keypoints.length ? 'Label' : 'Project');
