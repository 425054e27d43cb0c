// Talking to the server. Changes are sent one after another, and again until the server has written them to disk.

let queue = [], count = 0, sending = false;
let report = () => {};
const waiting = [];

export const unsaved = () => queue.length;
export const changes = () => count;
export const onSaving = (callback) => { report = callback; };
export const settled = () => new Promise((resolve) => { if (queue.length) waiting.push(resolve); else resolve(); });

async function request(method, path, body) {
  const response = await fetch(path, {
    method, body: body === undefined || body instanceof Blob ? body : JSON.stringify(body), headers: {'X-Capekit': '1'},
  });
  const answer = await response.json().catch(() => ({error: `${response.status} ${response.statusText}`}));
  if (!response.ok) throw Object.assign(new Error(answer.error), {status: response.status});
  return answer;
}

export const get = (path) => request('GET', path);
export const post = (path, body = {}) => request('POST', path, body);
export const put = (path, body) => request('PUT', path, body);
export const postFile = (path, file) => request('POST', path, file);

// `body()` is asked for when the change is sent. `saved(answer)` follows or, where the server refuses it, `refused()`:
// then later changes of the same `what` are dropped too, since they were made on top of it.
export function save(what, path, body, saved, refused) {
  queue.push({what, path, body, saved, refused});
  count += 1;
  if (sending) return;  // what is said of earlier changes, such as trouble, holds for this one
  report(queue.length);
  send();
}

// Only the change itself is at fault with these; a server in trouble, or one that does not know this page, is asked again.
const isRefusal = ({status}) => status >= 400 && status < 500 && status !== 403;

async function send() {
  sending = true;
  while (queue.length) {
    const {what, path, body, saved, refused} = queue[0];
    try {
      const answer = await post(path, body());
      queue.shift();
      saved(answer);
      report(queue.length);
    } catch (error) {
      if (isRefusal(error)) {
        queue = queue.filter((each) => each.what !== what);
        report(queue.length, {refusal: error.message});
        refused();
      } else {
        report(queue.length, {trouble: error.status ? error.message : 'server unreachable'});
        await new Promise((resolve) => setTimeout(resolve, 700));
      }
    }
  }
  sending = false;
  waiting.splice(0).forEach((resolve) => resolve());
}

window.addEventListener('beforeunload', (event) => { if (queue.length) event.preventDefault(); });
