// The six screens. One store, read from the server at the start; every change goes to both.

import {h} from '/static/html.js';
import {store} from '/static/store.js';
import {onSaving} from '/static/server.js';
import {projectScreen} from '/static/screens/project.js';
import {labelScreen} from '/static/screens/label.js';
import {checkScreen} from '/static/screens/check.js';
import {predictScreen} from '/static/screens/predict.js';
import {reviewScreen} from '/static/screens/review.js';
import {exportScreen} from '/static/screens/export.js';

const SCREENS = {Project: projectScreen, Label: labelScreen, Check: checkScreen, Predict: predictScreen,
  Review: reviewScreen, Export: exportScreen};
const [main, steps, saved, problem] = ['screen', 'steps', 'saved', 'problem'].map((id) => document.getElementById(id));
let leave = () => {};

export function show(name) {
  leave();
  leave = () => {};
  for (const button of steps.children) button.toggleAttribute('aria-current', button.textContent === name);
  main.replaceChildren();
  history.replaceState(null, '', `#${name}`);
  Promise.resolve(SCREENS[name](main, show)).then((ends) => { if (ends) leave = ends; }, fail);
}

export function fail(error) {
  problem.querySelector('span').textContent = error.message;
  problem.hidden = false;
}

problem.querySelector('button').addEventListener('click', () => { problem.hidden = true; });
window.addEventListener('unhandledrejection', (event) => fail(event.reason));
onSaving((count, refusal, unreachable) => {
  saved.textContent = unreachable ? `${count} not saved: server unreachable, trying again` : count ? 'saving…' : 'saved';
  saved.classList.toggle('unsaved', Boolean(unreachable));
  if (refusal) fail(new Error(refusal));
});

await store.load();
document.getElementById('folder').textContent = store.folder;
steps.append(...Object.keys(SCREENS).map((name) => h('button', {type: 'button', onclick: () => show(name)}, name)));
const wanted = decodeURIComponent(location.hash.slice(1));
show(SCREENS[wanted] ? wanted : store.keypoints.length ? 'Label' : 'Project');
