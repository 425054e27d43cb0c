// The one running job: a bar, what it does, the time left, a stop.

import {h, seconds} from '/static/html.js';
import {get, post} from '/static/server.js';
import {store} from '/static/store.js';

export function jobBar(done) {
  const bar = h('progress', {max: 1, value: 0}), text = h('span', {class: 'job'});
  const stop = h('button', {type: 'button', onclick: () => post('/api/stop')}, 'Stop');
  const row = h('div', {class: 'row', hidden: true}, bar, text, stop);
  let ended = false, wasRunning = false;
  async function watch() {
    while (!ended) {
      let job = null;
      try { job = await get('/api/job'); } catch { /* the server is away; the next round asks again */ }
      if (ended) return;
      if (job) {
        row.hidden = !job.kind;
        bar.hidden = stop.hidden = !job.running;
        bar.value = job.fraction;
        text.textContent = job.error ? `${job.kind}: ${job.error}` : `${job.kind}: ${job.text} ${seconds(job.seconds_left)}`;
        if (wasRunning && !job.running && !job.error) store.load().then(done);  // what it changed
        wasRunning = job.running;
      }
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
  }
  watch();
  return {row, end: () => { ended = true; }};
}
